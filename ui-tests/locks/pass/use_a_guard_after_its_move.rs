//! claim: lock.tokens-are-not-duplicated
//! Uses a guard twice, as if it were `Copy`.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn twice(guard: BqlGuard<'_>) -> u32 {
    let second = &guard;
    let runs = *RUNS.borrow(&guard);
    let _ = second;
    runs
}

fn main() {}
