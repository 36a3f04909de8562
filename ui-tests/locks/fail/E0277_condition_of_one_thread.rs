//! claim: lock.conditions-keep-their-parts
//! Sends a condition variable of a backend whose own stays on its thread.

use biglock::{Condvar, Lock, Wait};

fn require_send<T: Send>(_: T) {}

fn send<L: Lock<Backend: Wait>>(changed: Condvar<L>) {
    require_send(changed); //~ E0277 Condvar
}

fn main() {}
