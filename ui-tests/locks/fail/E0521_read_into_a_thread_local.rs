//! claim: lock.read-ends-with-the-lock
//! Stores the reference in a thread-local for a later function.

use std::cell::Cell;

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);
thread_local!(static KEPT: Cell<Option<&'static u32>> = const { Cell::new(None) });

fn keep<'g>(bql: &'g BqlGuard<'g>) {
    KEPT.set(Some(RUNS.borrow(bql))); //~ E0521
}

fn main() {}
