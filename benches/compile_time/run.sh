#!/usr/bin/env bash
# What the attribute costs the compiler: 200 annotated handlers beside 200 bare ones.
#
#   benches/compile_time/run.sh [rounds]
#
# Only the crate with the handlers is compiled in the rounds that are timed, from nothing
# (CARGO_INCREMENTAL=0); the median of the rounds is shown. An incremental build after a change in one
# handler is shown below.
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

# Seconds for the crate alone, as cargo reports its own run.
timed() { # name, command…
    local dir=$work/$1
    shift
    for _ in $(seq "$rounds"); do
        touch "$dir/src/main.rs"
        local start end
        start=$(date +%s%N)
        "$@" --quiet --manifest-path "$dir/Cargo.toml" --target-dir "$work/target"
        end=$(date +%s%N)
        echo $(((end - start) / 1000000))
    done | median
}

generate bare ''
generate annotated '#[rate_limit("10/minute", key = client_ip)]'
export CARGO_INCREMENTAL=0
for name in bare annotated; do
    cargo check --quiet --manifest-path "$work/$name/Cargo.toml" --target-dir "$work/target"
    cargo build --quiet --manifest-path "$work/$name/Cargo.toml" --target-dir "$work/target"
done
printf '%-28s %8s %10s\n' '200 handlers, milliseconds' bare annotated
printf '%-28s %8s %10s\n' 'cargo check' "$(timed bare cargo check)" "$(timed annotated cargo check)"
printf '%-28s %8s %10s\n' 'cargo build' "$(timed bare cargo build)" "$(timed annotated cargo build)"
export CARGO_INCREMENTAL=1
for name in bare annotated; do
    cargo check --quiet --manifest-path "$work/$name/Cargo.toml" --target-dir "$work/target"
    cargo build --quiet --manifest-path "$work/$name/Cargo.toml" --target-dir "$work/target"
done
printf '%-28s %8s %10s\n' 'cargo check, incremental' "$(timed bare cargo check)" "$(timed annotated cargo check)"
printf '%-28s %8s %10s\n' 'cargo build, incremental' "$(timed bare cargo build)" "$(timed annotated cargo build)"
