//! claim: lock.release-is-exclusive
//! Calls `wait` through a guard that promises to keep the lock.

use bql::{BqlCondvar, BqlGuard};

fn pause(changed: &BqlCondvar, bql: &BqlGuard<'_>) {
    changed.wait(bql); //~ E0308
}

fn main() {}
