//! claim: lock.read-ends-with-the-lock
//! Parks the reference in a `RefCell` that lives outside.

use std::cell::RefCell;

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn work(bql: &mut BqlGuard<'_>) -> Option<u32> {
    let parked = RefCell::new(None);
    parked.replace(Some(*RUNS.borrow(bql)));
    bql.unlocked(|_| ());
    parked.take().as_ref().copied()
}

fn main() {}
