#!/usr/bin/env bash
# What the attribute costs a request: instructions (callgrind) and allocations (memcheck) of one request
# through the router, for a bare handler and limited ones. The difference of two runs of different length,
# so that neither start-up nor the first request counts. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --quiet --profile bench -p limit-benches --bin request_cost
program=${CARGO_TARGET_DIR:-target}/release/request_cost
# Behind the requests that are watched for a wrong set-up.
few=11000 many=12000

instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        awk '/Collected/ { print $4 }'
}

allocations() {
    valgrind "$program" "$1" "$2" 2>&1 | awk '/total heap usage/ { gsub(",", ""); print $5 }'
}

printf '%-20s %14s %12s %14s %12s\n' handler instructions 'over bare' allocations 'over bare'
bare_instructions='' bare_allocations=''
for handler in bare limited refused layered_bare layered_limited layered_by_header; do
    i=$((($(instructions $handler $many) - $(instructions $handler $few)) / (many - few)))
    a=$((($(allocations $handler $many) - $(allocations $handler $few)) / (many - few)))
    : "${bare_instructions:=$i}" "${bare_allocations:=$a}"
    printf '%-20s %14d %+12d %14d %+12d\n' $handler $i $((i - bare_instructions)) $a $((a - bare_allocations))
done
