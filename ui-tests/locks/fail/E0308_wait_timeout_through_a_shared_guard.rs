//! claim: lock.release-is-exclusive
//! Calls `wait_timeout` through a guard that promises to keep the lock.

use std::time::Duration;

use bql::{BqlCondvar, BqlGuard};

fn pause(changed: &BqlCondvar, bql: &BqlGuard<'_>) {
    changed.wait_timeout(bql, Duration::ZERO); //~ E0308
}

fn main() {}
