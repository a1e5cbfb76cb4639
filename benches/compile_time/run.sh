#!/usr/bin/env bash
# What the attribute costs the compiler: 200 annotated handlers beside 200 bare ones.
#
#   benches/compile_time/run.sh [rounds]
#
# Only the crate with the handlers is compiled in the rounds that are timed, from nothing
# (CARGO_INCREMENTAL=0), and once more from an incremental cache in which nothing has changed. The medians
# of the rounds are shown; on a machine with other work, go by the processor time.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-7}
root=$PWD
work=${CARGO_TARGET_DIR:-$root/target}/compile_time
mkdir -p "$work"

generate() { # name, attribute
    local dir=$work/$1
    mkdir -p "$dir/src"
    cat >"$dir/Cargo.toml" <<TOML
[package]
name = "$1"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
axum = { version = "0.8.9", default-features = false, features = ["json", "tokio", "http1"] }
limit-runtime = { path = "$root/limit-runtime" }
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["net", "rt"] }
TOML
    cp "$root/Cargo.lock" "$dir/Cargo.lock"
    {
        echo '#![allow(unused_imports)]'
        echo 'use axum::{Json, Router, extract::{Path, State}, routing::post};'
        echo 'use limit_runtime::{client_ip, rate_limit};'
        echo '#[derive(Clone)] pub struct Db;'
        echo '#[derive(serde::Deserialize)] pub struct Input { pub values: Vec<f32> }'
        for i in $(seq 200); do
            echo "$2"
            echo "async fn handler_$i(State(_): State<Db>, Path(id): Path<u32>, Json(input): Json<Input>) -> Json<u32> { Json(id + $i + input.values.len() as u32) }"
        done
        echo 'fn main() { let _: Router = Router::new()'
        for i in $(seq 200); do echo "    .route(\"/$i/{id}\", post(handler_$i))"; done
        echo '    .with_state(Db); }'
    } >"$dir/src/main.rs"
}

median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# Milliseconds of wall clock and of processor, "wall cpu", for the crate alone.
timed() { # name, command…
    local dir=$work/$1 TIMEFORMAT='%3R %3U %3S'
    shift
    for _ in $(seq "$rounds"); do
        touch "$dir/src/main.rs"
        { time "$@" --quiet --manifest-path "$dir/Cargo.toml" --target-dir "$work/target" 2>"$work/log"; } 2>&1
    done >"$work/times"
    echo "$(awk '{ print int($1 * 1000) }' "$work/times" | median) / $(awk '{ print int(($2 + $3) * 1000) }' "$work/times" | median)"
}

row() { # title, command…
    local title=$1
    shift
    printf '%-28s %16s %16s\n' "$title" "$(timed bare "$@")" "$(timed annotated "$@")"
}

warm() {
    for name in bare annotated; do
        timed "$name" cargo check >/dev/null
        timed "$name" cargo build >/dev/null
    done
}

generate bare ''
generate annotated '#[rate_limit("10/minute", key = client_ip)]'
printf '%-28s %16s %16s\n' '200 handlers, ms wall / cpu' bare annotated
export CARGO_INCREMENTAL=0
rounds=1 warm
row 'cargo check' cargo check
row 'cargo build' cargo build
export CARGO_INCREMENTAL=1
rounds=1 warm
row 'cargo check, unchanged' cargo check
row 'cargo build, unchanged' cargo build
