//! claim: lock.guard-borrows-the-token
//! Tries for the lock a second time while the guard of the first is alive.

use biglock::{Lock, TryLock, Unlocked};

fn both<L: Lock<Backend: TryLock>>(thread: &mut Unlocked<L>) {
    let first = thread.try_lock();
    let second = thread.try_lock(); //~ E0499
    drop(first);
    drop(second);
}

fn main() {}
