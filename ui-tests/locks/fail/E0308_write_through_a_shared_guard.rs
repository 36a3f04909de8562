//! claim: lock.writes-are-exclusive
//! Writes with a shared borrow of the guard.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &BqlGuard<'_>) {
    *RUNS.borrow_mut(bql) += 1; //~ E0308
}

fn main() {}
