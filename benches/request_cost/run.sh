#!/usr/bin/env bash
# What the attribute costs a request: instructions (callgrind) and allocations (memcheck) of one request
# through the router, for a bare handler and limited ones. Instructions are counted within `counted` alone, so
# that start-up and the calibration of the clock do not count; allocations are the difference of two runs.
# Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --quiet --profile bench -p limit-benches --bin request_cost
program=${CARGO_TARGET_DIR:-target}/release/request_cost
count=1000

instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='request_cost::counted' \
        "$program" "$1" $count 2>&1 | awk -v count=$count '/Collected/ { printf "%d", $4 / count }'
}

allocated() {
    valgrind "$program" "$1" "$2" 2>&1 | awk '/total heap usage/ { gsub(",", ""); print $5 }'
}

allocations() {
    echo "$(allocated "$1" $((2 * count))) $(allocated "$1" $count)" |
        awk -v count=$count '{ printf "%.2f", ($1 - $2) / count }'
}

printf '%-20s %14s %12s %14s %12s\n' handler instructions 'over bare' allocations 'over bare'
bare_instructions='' bare_allocations=''
handlers='bare two_headers without_check tower_governor limited_off limited limited_detailed
    two_limits refused_off refused refused_detailed bare_argument limited_argument cost_over_argument
    key_over_argument reserved given_back concurrent limited_twice
    layered_bare layered_limited layered_by_header'
for handler in $handlers; do
    i=$(instructions $handler)
    a=$(allocations $handler)
    : "${bare_instructions:=$i}" "${bare_allocations:=$a}"
    printf '%-20s %14d %+12d %14.2f %+12.2f\n' $handler "$i" $((i - bare_instructions)) \
        "$a" "$(awk "BEGIN { print $a - $bare_allocations }")"
done

# The same with the feature `metrics`, over a limiter without the feature that counts nothing: without an
# exporter, with one that takes nothing (`metrics::NoopRecorder`), and with handles that are called and do nothing.
off=$(instructions limited_off)
totals=$(instructions limited)
cargo build --quiet --profile bench -p limit-benches --bin request_cost --features metrics
row() { printf '%-32s %14d %+11.1f %%\n' "$1" "$2" "$(awk "BEGIN { print ($2 - $off) * 100 / $off }")"; }
printf '\n%-32s %14s %13s\n' 'metrics' instructions 'over off'
row 'off' "$off"
row 'totals' "$totals"
row 'metrics, no recorder' "$(instructions limited)"
for recorder in noop called; do
    row "metrics, recorder $recorder" "$(RECORDER=$recorder instructions limited)"
    row "metrics, recorder $recorder, no totals" "$(RECORDER=$recorder instructions limited_off)"
done
