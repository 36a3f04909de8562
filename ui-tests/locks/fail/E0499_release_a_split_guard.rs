//! claim: lock.split-keeps-the-lock
//! Releases the lock while a part of the split guard is used.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn release(bql: &mut BqlGuard<'_>) {
    let (_holding, mut access) = bql.split();
    bql.unlocked(|_thread| ()); //~ E0499
    *access.borrow_mut(&RUNS) += 1;
}

fn main() {}
