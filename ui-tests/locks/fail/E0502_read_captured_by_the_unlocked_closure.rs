//! claim: lock.read-ends-with-the-lock
//! Captures what it read in the closure that runs without the lock.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn work(bql: &mut BqlGuard<'_>) -> u32 {
    let runs = RUNS.borrow(bql);
    bql.unlocked(|_| *runs) //~ E0502
}

fn main() {}
