//! claim: lock.split-writes-are-exclusive
//! Makes two parts of one guard that may write.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn twice(bql: &mut BqlGuard<'_>) {
    let (_, mut one) = bql.split();
    let other = &mut one;
    *other.borrow_mut(&RUNS) += 1;
    *one.borrow_mut(&RUNS) += 1;
}

fn main() {}
