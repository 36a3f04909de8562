//! claim: lock.writes-are-exclusive
//! Borrows one value mutably twice.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &mut BqlGuard<'_>) {
    let first = RUNS.borrow_mut(bql);
    *first += 1;
    let second = RUNS.borrow_mut(bql);
    *second += 1;
}

fn main() {}
