//! claim: lock.split-writes-are-exclusive
//! Borrows two values mutably at once from one part.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

static LIMIT: BqlGuarded<u32> = BqlGuarded::new(9);

fn swap(bql: &mut BqlGuard<'_>) {
    let (_, mut access) = bql.split();
    let runs = access.borrow_mut(&RUNS);
    let limit = *access.borrow_mut(&LIMIT); //~ E0499
    *runs = limit;
}

fn main() {}
