//! claim: lock.release-is-exclusive
//! Calls `wait_while` through a guard that promises to keep the lock.

use bql::{BqlCondvar, BqlGuard};

fn pause(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.wait_while(bql, |_| false);
}

fn main() {}
