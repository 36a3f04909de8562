#!/usr/bin/env bash
# Question: loom plays a model in every interleaving. One thread holds a mutex, lets others run, and
#   releases it; another calls try_lock. Is there an interleaving in which that fails?
# One would guess: yes, it is what the branch after try_lock is for.
# What happens: none, though loom plays several and the model passes. loom looks for other orders where
#   two accesses conflict, and a try_lock that meets a held lock is not one. It fails once the holder
#   and the other thread share an atomic, whose orders loom tries.
# Why it matters: a model that passes shows nothing of what is done when try_lock fails. The same holds
#   for a weak compare-exchange that fails, a wait that times out or wakes for no reason: none is played.
#   Such branches need tests of their own.
#
# loom 0.7.3 and a Rust compiler with cargo.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
loom = "=0.7.3"

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::sync::atomic::{AtomicUsize as Counter, Ordering::SeqCst};
use std::sync::Arc as StdArc;
use std::time::Duration;

use loom::sync::atomic::AtomicUsize;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Plays a model that says whether it went the way in question.
fn play(name: &str, expected: bool, model: impl Fn() -> bool + Send + Sync + 'static) -> bool {
    let counters = StdArc::new((Counter::new(0), Counter::new(0)));
    let inside = counters.clone();
    loom::model(move || {
        inside.0.fetch_add(1, SeqCst);
        inside.1.fetch_add(model() as usize, SeqCst);
    });
    let (played, seen) = (counters.0.load(SeqCst), counters.1.load(SeqCst));
    println!("{name}: in {seen} of {played} interleavings");
    (seen != 0) == expected
}

/// Waits once if the other thread has not said it yet.
fn waits(wait: fn(&(Mutex<bool>, Condvar)) -> bool) -> bool {
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let other = pair.clone();
    let thread = thread::spawn(move || {
        *other.0.lock().unwrap() = true;
        other.1.notify_one();
    });
    let seen = wait(&pair);
    thread.join().unwrap();
    seen
}

fn main() {
    let as_expected = [
        play("try_lock fails, the holder yields", false, || {
            let mutex = Arc::new(Mutex::new(()));
            let other = mutex.clone();
            let thread = thread::spawn(move || {
                let _held = other.lock().unwrap();
                thread::yield_now();
            });
            let failed = mutex.try_lock().is_err();
            thread.join().unwrap();
            failed
        }),
        play("try_lock fails, they share an atomic", true, || {
            let both = Arc::new((Mutex::new(()), AtomicUsize::new(0)));
            let other = both.clone();
            let thread = thread::spawn(move || {
                let _held = other.0.lock().unwrap();
                other.1.store(1, SeqCst);
                other.1.store(2, SeqCst);
            });
            let failed = both.1.load(SeqCst) == 1 && both.0.try_lock().is_err();
            thread.join().unwrap();
            failed
        }),
        play("compare_exchange_weak fails for no reason", false, || {
            let word = Arc::new(AtomicUsize::new(0));
            let other = word.clone();
            let thread = thread::spawn(move || other.load(SeqCst));
            let failed = word.compare_exchange_weak(0, 1, SeqCst, SeqCst).is_err();
            thread.join().unwrap();
            failed
        }),
        play("wait_timeout times out", false, || {
            waits(|(mutex, condvar)| {
                let said = mutex.lock().unwrap();
                !*said && condvar.wait_timeout(said, Duration::ZERO).unwrap().1.timed_out()
            })
        }),
        play("wait wakes for no reason", false, || {
            waits(|(mutex, condvar)| {
                let said = mutex.lock().unwrap();
                !*said && !*condvar.wait(said).unwrap()
            })
        }),
    ];
    if as_expected.contains(&false) {
        println!("loom behaves otherwise now");
        std::process::exit(1);
    }
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml"
# Seen:
#   try_lock fails, the holder yields: in 0 of 3 interleavings
#   try_lock fails, they share an atomic: in 1 of 8 interleavings
#   compare_exchange_weak fails for no reason: in 0 of 6 interleavings
#   wait_timeout times out: in 0 of 8 interleavings
#   wait wakes for no reason: in 0 of 8 interleavings
