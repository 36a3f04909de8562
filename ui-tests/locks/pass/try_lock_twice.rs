//! claim: lock.guard-borrows-the-token
//! Tries for the lock a second time while the guard of the first is alive.

use biglock::{Lock, TryLock, Unlocked};

fn both<L: Lock<Backend: TryLock>>(thread: &mut Unlocked<L>) {
    let first = thread.try_lock();
    drop(first);
    let second = thread.try_lock();
    drop(second);
}

fn main() {}
