//! claim: lock.guard-borrows-the-token
//! Takes the lock a second time while the guard that came in time is alive.

use std::time::Duration;

use biglock::{Lock, Timed, Unlocked};

fn both<L: Lock<Backend: Timed>>(thread: &mut Unlocked<L>) {
    let first = thread.lock_timeout(Duration::from_millis(1));
    let second = thread.lock(); //~ E0499
    drop(first);
    drop(second);
}

fn main() {}
