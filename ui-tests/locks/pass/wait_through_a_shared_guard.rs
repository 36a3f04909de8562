//! claim: lock.release-is-exclusive
//! Calls `wait` through a guard that promises to keep the lock.

use bql::{BqlCondvar, BqlGuard};

fn pause(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.wait(bql);
}

fn main() {}
