//! claim: lock.read-ends-with-the-lock
//! Keeps what it read while the lock is let go and taken again.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(bql: &mut BqlGuard<'_>) -> u32 {
    bql.unlocked(|_| ());
    let runs = RUNS.borrow(bql);
    *runs
}

fn main() {}
