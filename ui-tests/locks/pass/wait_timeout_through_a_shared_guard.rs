//! claim: lock.release-is-exclusive
//! Calls `wait_timeout` through a guard that promises to keep the lock.

use std::time::Duration;

use bql::{BqlCondvar, BqlGuard};

fn pause(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.wait_timeout(bql, Duration::ZERO);
}

fn main() {}
