#!/usr/bin/env bash
# Instructions of one check, by callgrind: what two runs differ by, divided by the checks they differ by.
# Targets: hot 350, many 450, two 620, denied 350, new 750.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 0; }
cargo build --quiet --profile bench -p limit-benches --bin work
target="$(cargo metadata --format-version 1 --no-deps | grep -o "\"target_directory\":\"[^\"]*\"" | cut -d"\"" -f4)"
work="$target/release/work"
count() {
    # Of the checks alone: what the process learns about its clock meanwhile is not theirs.
    valgrind --tool=callgrind --toggle-collect='limit_benches::check*' --callgrind-out-file=/dev/null "$work" "$1" "$2" 2>&1 |
        grep -o 'Collected : [0-9]*' | grep -o '[0-9]*$'
}
for case in hot many two denied new governor; do
    less=$(count "$case" 2000)
    more=$(count "$case" 22000)
    printf '%-10s %6d instructions\n' "$case" $(((more - less) / 20000))
done
