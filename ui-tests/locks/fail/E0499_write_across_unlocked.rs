//! claim: lock.read-ends-with-the-lock
//! Keeps a mutable borrow while the lock is let go.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(bql: &mut BqlGuard<'_>) {
    let runs = RUNS.borrow_mut(bql);
    bql.unlocked(|_| ()); //~ E0499
    *runs += 1;
}

fn main() {}
