//! claim: lock.split-writes-are-exclusive
//! Splits a guard that is only shared, to write with a part of it.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(bql: &BqlGuard<'_>) {
    *bql.split().1.borrow_mut(&RUNS) += 1; //~ E0596
}

fn main() {}
