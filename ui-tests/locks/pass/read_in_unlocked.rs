//! claim: lock.data-needs-a-guard
//! Reads inside `unlocked`, where the lock is let go.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn peek(bql: &mut BqlGuard<'_>) -> u32 {
    bql.unlocked(|thread| *RUNS.borrow(&thread.lock()))
}

fn main() {}
