//! claim: lock.read-ends-with-the-lock
//! Builds a hand-written generator that keeps a write and the guard side by side.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);
struct Steps<'g, 't> {
    bql: &'g mut BqlGuard<'t>,
    runs: Option<&'g mut u32>,
}

fn start<'g, 't>(bql: &'g mut BqlGuard<'t>) -> Steps<'g, 't> {
    let runs = Some(RUNS.borrow_mut(bql)).and(None);
    Steps { bql, runs }
}

fn main() {}
