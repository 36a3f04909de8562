//! claim: lock.writes-are-exclusive
//! Writes through what a read gave.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &mut BqlGuard<'_>) {
    *RUNS.borrow(bql) += 1; //~ E0594
}

fn main() {}
