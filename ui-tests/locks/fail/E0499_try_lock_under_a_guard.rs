//! claim: lock.guard-borrows-the-token
//! Tries to take the lock a second time while the first guard is alive.

use bql::BqlUnlocked;

fn both(thread: &mut BqlUnlocked) {
    let first = thread.lock();
    let second = thread.try_lock(); //~ E0499
    drop(first);
    drop(second);
}

fn main() {}
