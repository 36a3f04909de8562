//! claim: lock.read-ends-with-the-lock
//! Waits on a flag that it read once, before the wait.

use bql::{BqlCondvar, BqlGuard, BqlGuarded};

static BUSY: BqlGuarded<bool> = BqlGuarded::new(false);

fn wait(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    let busy = BUSY.borrow(bql);
    changed.wait_while(bql, |_| *busy); //~ E0502
}

fn main() {}
