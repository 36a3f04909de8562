//! claim: lock.split-keeps-the-lock
//! Leaks the guard, so that the next one adopts the lock, and keeps a part of the leaked one.

use std::mem;

use bql::{BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(thread: &mut BqlUnlocked) {
    let mut bql = thread.lock();
    let (_holding, mut access) = bql.split();
    mem::forget(bql); //~ E0505
    *access.borrow_mut(&RUNS) += 1;
}

fn main() {}
