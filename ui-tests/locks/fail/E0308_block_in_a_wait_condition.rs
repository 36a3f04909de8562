//! claim: lock.blocking-needs-the-lock-let-go
//! Does I/O in the condition of a wait, which is looked at with the lock held.

use bql::{BqlCondvar, BqlGuard, BqlUnlocked};

fn read(_thread: &mut BqlUnlocked) -> bool {
    false
}

fn wait(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.wait_while(bql, |bql| read(bql)); //~ E0308
}

fn main() {}
