//! claim: lock.split-keeps-the-lock
//! Waits with a guard while a part of it is used.

use bql::{BqlCondvar, BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn wait(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    let (_holding, mut access) = bql.split();
    *access.borrow_mut(&RUNS) += 1;
    changed.wait(bql);
}

fn main() {}
