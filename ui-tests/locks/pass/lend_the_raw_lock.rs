//! claim: lock.tokens-are-not-forged
//! Calls the crate-private wait of the guard, which lends the raw lock out.

use bql::{BqlCondvar, BqlGuard};

fn steal(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.notify_all();
    changed.wait_timeout(bql, std::time::Duration::ZERO);
}

fn main() {}
