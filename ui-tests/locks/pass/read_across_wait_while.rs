//! claim: lock.read-ends-with-the-lock
//! Keeps what it read across `wait_while`, which releases the lock.

use bql::{BqlCondvar, BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn next(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) -> u32 {
    changed.wait_while(bql, |_| false);
    let runs = RUNS.borrow(bql);
    *runs
}

fn main() {}
