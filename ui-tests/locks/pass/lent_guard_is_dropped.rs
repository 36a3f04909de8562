//! claim: lock.foreign-entry-is-unsafe
//! Drops the lent guard, which would release the lock of its lender.

use biglock::{Foreign, Guard, Lock};

fn enter<L: Lock<Backend: Foreign>>() {
    unsafe { Guard::<L>::lend(|guard| guard.unlocked(|thread| drop(thread.lock()))) }
}

fn main() {}
