//! claim: lock.read-ends-with-the-lock
//! Keeps what it read across `wait_timeout`, which releases the lock.

use std::time::Duration;

use bql::{BqlCondvar, BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn next(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) -> u32 {
    changed.wait_timeout(bql, Duration::ZERO);
    let runs = RUNS.borrow(bql);
    *runs
}

fn main() {}
