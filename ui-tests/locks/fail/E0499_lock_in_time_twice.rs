//! claim: lock.guard-borrows-the-token
//! Waits for the lock a second time while the guard of the first wait is alive.

use std::time::Duration;

use biglock::{Lock, Timed, Unlocked};

fn both<L: Lock<Backend: Timed>>(thread: &mut Unlocked<L>) {
    let first = thread.lock_timeout(Duration::ZERO);
    let second = thread.lock_timeout(Duration::ZERO); //~ E0499
    drop(first);
    drop(second);
}

fn main() {}
