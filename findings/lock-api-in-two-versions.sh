#!/usr/bin/env bash
# Question: a wrapper is generic over lock_api's RawMutex. Does it take the mutexes of the newest
#   parking_lot and of the newest spin?
# One would guess: yes. lock_api is what the two have in common, and is made for such wrappers.
# What happens: not both. parking_lot 0.13 has the traits of lock_api 0.5, where `lock` returns a state
#   that `unlock` takes back; spin 0.12 and tracing-mutex 0.3 have those of 0.4, where it returns
#   nothing. Both versions are in one build without a word, and the compiler refuses the mutex of one
#   where the trait of the other is asked for. tracing-mutex's wrapper refuses parking_lot 0.13 too.
# Why it matters: "works with any RawMutex" is true of one version. A lock crate that is to take both
#   has a backend for each, and a program that watches the order of locks stays with parking_lot 0.12.
#
# parking_lot 0.13.0, spin 0.12.3, tracing-mutex 0.3.3 and a Rust compiler, 1.95 or newer, with cargo.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[features]
wrapped = []

[dependencies]
lock_api = "=0.5.0"
parking_lot = "=0.13.0"
spin = { version = "=0.12.3", features = ["lock_api"] }
tracing-mutex = { version = "=0.3.3", features = ["lock_api"] }

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use lock_api::RawMutex;

fn wrap<R: RawMutex>(name: &str) {
    println!("taken: {name}");
}

fn main() {
    wrap::<parking_lot::RawMutex>("parking_lot");
    #[cfg(feature = "wrapped")]
    wrap::<spin::Mutex<()>>("spin");
    #[cfg(feature = "wrapped")]
    fn watch<R: tracing_mutex::lockapi::raw::RawMutex>() {}
    #[cfg(feature = "wrapped")]
    watch::<parking_lot::RawMutex>();
}
RUST
cd "$folder"
cargo run --quiet
cargo tree --depth 1 --invert lock_api@0.4 | tail -n +2
words=$(cargo check --quiet --features wrapped 2>&1 || true)
grep -E "^error" <<<"$words"
[ "$(grep -c "^error\[E0277\].*RawMutex" <<<"$words")" -ge 2 ]
# Seen:
#   taken: parking_lot
#   ├── spin v0.12.3
#   └── tracing-mutex v0.3.3
#   error[E0277]: the trait bound `spin::mutex::Mutex<()>: lock_api::RawMutex` is not satisfied
#   error[E0277]: the trait bound `parking_lot::RawMutex: tracing_mutex::lock_api::RawMutex` is not satisfied
