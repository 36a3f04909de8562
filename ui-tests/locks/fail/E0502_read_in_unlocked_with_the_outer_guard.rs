//! claim: lock.data-needs-a-guard
//! Reads inside `unlocked` with the guard of the code around it.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn peek(bql: &mut BqlGuard<'_>) -> u32 {
    bql.unlocked(|_| *RUNS.borrow(bql)) //~ E0502
}

fn main() {}
