//! claim: lock.split-keeps-the-lock
//! Leaks a guard through a reference, and locks again while a part of it is used.

use bql::{BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(thread: &mut BqlUnlocked) {
    let (_holding, mut access) = Box::leak(Box::new(thread.lock())).split();
    let mut adopts = thread.lock(); //~ E0499
    *access.borrow_mut(&RUNS) += *RUNS.borrow_mut(&mut adopts);
}

fn main() {}
