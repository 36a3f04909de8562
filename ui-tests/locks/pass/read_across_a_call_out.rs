//! claim: lock.read-ends-with-the-lock
//! Keeps what it read across a notifier, which may release the lock.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn fire(notify: &dyn Fn(&mut BqlGuard<'_>), bql: &mut BqlGuard<'_>) -> u32 {
    notify(bql);
    let runs = RUNS.borrow(bql);
    *runs
}

fn main() {}
