//! claim: lock.constant-names-a-static
//! Declares data as a `const`, so that each use would have its own, and keeps a reference.

use bql::{BqlGuard, BqlGuarded};

const RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &mut BqlGuard<'_>) {
    let runs = RUNS.borrow_mut(bql); //~ E0716
    *runs += 1;
}

fn main() {}
