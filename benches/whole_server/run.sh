#!/usr/bin/env bash
# What a limit costs a whole server: requests over TCP, from wrk (`apt-get install -y wrk`).
#
#   benches/whole_server/run.sh [rounds] [seconds]
#
# The routes take turns, 5 rounds of 3 seconds each by default. Where there are two cores, the
# server has one and wrk another. Numbers are medians over the rounds; ratios are medians of the
# ratios within a round. "us/request" is the processor time of the server, which other work on the
# machine changes the least.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5} seconds=${2:-3}
routes='bare two_headers annotated two_limits refused tower_governor'
command -v wrk >/dev/null || { echo "wrk is not installed: apt-get install -y wrk"; exit 1; }

cargo build --quiet --profile bench -p limit-benches --bin whole_server
server_core='' load_core=''
if command -v taskset >/dev/null && [ "$(nproc)" -ge 2 ]; then
    server_core='taskset -c 0' load_core='taskset -c 1'
fi
results=$(mktemp -d)
$server_core "${CARGO_TARGET_DIR:-target}/release/whole_server" >"$results/address" &
server=$!
trap 'kill $server; rm -r "$results"' EXIT
for _ in $(seq 100); do
    [ -s "$results/address" ] && break
    sleep 0.1
done
url=http://$(cat "$results/address")

# The server's processor time so far, in milliseconds.
used() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / hz }' "/proc/$server/stat"; }

# Microseconds, of wrk's `1.23ms`.
micros='function micros(t) { return t ~ /us$/ ? t + 0 : t ~ /ms$/ ? t * 1000 : t * 1000000 }'

# Prints: requests/s, microseconds of processor time for each request, p50, p99.
load() {
    local before after
    before=$(used)
    $load_core wrk -t 1 -c 16 -d "$2" --latency "$url/$1" >"$results/wrk"
    after=$(used)
    awk -v cpu="$(awk "BEGIN { print $after - $before }")" "$micros"'
        $1 == "50%" { p50 = micros($2) }
        $1 == "99%" { p99 = micros($2) }
        $2 == "requests" { requests = $1 }
        $1 == "Requests/sec:" { rate = $2 }
        END { print rate, cpu * 1000 / requests, p50, p99 }' "$results/wrk"
}

for route in $routes; do load "$route" 1s >/dev/null; done
for _ in $(seq "$rounds"); do
    for route in $routes; do
        echo "$route $(load "$route" "${seconds}s")" >>"$results/all"
    done
done

awk -v routes="$routes" '
    function median(list, n,    i, j, t) {
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
        return list[int((n + 1) / 2)]
    }
    function of(route, column, base,    i, list) {
        for (i = 1; i <= n[route]; i++) list[i] = value[route, column, i] / (base ? value["bare", column, i] : 1)
        return median(list, n[route])
    }
    { n[$1]++; for (c = 2; c <= 5; c++) value[$1, c, n[$1]] = $c }
    END {
        printf "%-16s %11s %8s %11s %8s %9s %9s\n", "route", "requests/s", "of bare", "us/request", "of bare", "p50 us", "p99 us"
        count = split(routes, route, " ")
        for (r = 1; r <= count; r++)
            printf "%-16s %11.0f %8.3f %11.2f %8.3f %9.0f %9.0f\n", route[r], of(route[r], 2), of(route[r], 2, 1),
                of(route[r], 3), of(route[r], 3, 1), of(route[r], 4), of(route[r], 5)
    }' "$results/all"
