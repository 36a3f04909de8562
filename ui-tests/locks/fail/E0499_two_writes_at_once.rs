//! claim: lock.writes-are-exclusive
//! Borrows one value mutably twice.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &mut BqlGuard<'_>) {
    let first = RUNS.borrow_mut(bql);
    let second = RUNS.borrow_mut(bql); //~ E0499
    *first += 1;
    *second += 1;
}

fn main() {}
