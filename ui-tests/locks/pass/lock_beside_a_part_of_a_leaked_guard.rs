//! claim: lock.split-keeps-the-lock
//! Leaks a guard through a reference, and locks again while a part of it is used.

use bql::{BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(thread: &mut BqlUnlocked) {
    let (_holding, mut access) = Box::leak(Box::new(thread.lock())).split();
    *access.borrow_mut(&RUNS) += 1;
    let mut adopts = thread.lock();
    *RUNS.borrow_mut(&mut adopts) += 1;
}

fn main() {}
