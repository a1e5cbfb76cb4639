#!/usr/bin/env bash
# Instructions of one check, by callgrind: what two runs differ by, divided by the checks they differ by.
# Targets: hot 350, many 450, two 620, denied 350, new 750. The others have none.
# Under valgrind a reading of the operating system's clock takes more cycles than are trusted, so each check
# reads it anew. Outside, a thread does so once in a tenth of a millisecond. So the second number leaves these
# readings out, but not the clock of the process around them.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 0; }
cargo build --quiet --profile bench -p limit-benches --bin work
target="$(cargo metadata --format-version 1 --no-deps | grep -o "\"target_directory\":\"[^\"]*\"" | cut -d"\"" -f4)"
work="$target/release/work"
count() {
    # Of the checks alone: what the process learns about its clock meanwhile is not theirs.
    valgrind --tool=callgrind --toggle-collect='limit_benches::check*' "${@:3}" --callgrind-out-file=/dev/null \
        "$work" "$1" "$2" 2>&1 | grep -o 'Collected : [0-9]*' | grep -o '[0-9]*$'
}
each() {
    local less more
    less=$(count "$1" 2000 "${@:2}")
    more=$(count "$1" 22000 "${@:2}")
    echo $(((more - less) / 20000))
}
for case in hot many two eight denied new growing governor; do
    # Collection is off within this function.
    printf '%-10s %6d instructions, %6d without the operating system'"'"'s clock\n' "$case" \
        "$(each "$case")" "$(each "$case" --toggle-collect='*TscClock::resync*')"
done
