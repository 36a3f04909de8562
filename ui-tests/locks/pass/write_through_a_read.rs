//! claim: lock.writes-are-exclusive
//! Writes through what a read gave.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &mut BqlGuard<'_>) {
    assert_eq!(*RUNS.borrow(bql), 0);
    *RUNS.borrow_mut(bql) += 1;
}

fn main() {}
