//! claim: lock.tokens-stay-on-their-thread
//! Lends a guard to a scoped thread, so that two threads read at once.

use bql::{BqlGuard, BqlGuarded};

fn require_send<T: Send>(_: T) {}

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn help(bql: &BqlGuard<'_>) {
    require_send(|| *RUNS.borrow(bql)); //~ E0277 shared
}

fn main() {}
