//! claim: lock.read-ends-with-the-lock
//! Waits on a flag that it read once, before the wait.

use bql::{BqlCondvar, BqlGuard, BqlGuarded};

static BUSY: BqlGuarded<bool> = BqlGuarded::new(false);

fn wait(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.wait_while(bql, |bql| *BUSY.borrow(bql));
}

fn main() {}
