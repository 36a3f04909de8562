//! claim: inside.waiting-needs-no-lock
//! Hands the guard to a function that blocks.
use std::time::Duration;

use bql::BqlGuard;
use engine::Observer;

fn wait(observer: &Observer, bql: &mut BqlGuard<'_>) {
    observer.wait(bql, Duration::from_secs(1), |status, _| status.is_terminal()); //~ E0308
}

fn main() {}
