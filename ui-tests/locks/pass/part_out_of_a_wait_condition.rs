//! claim: lock.split-keeps-the-lock
//! Keeps a part of the guard that the condition of a wait is lent, while the wait releases the lock.

use biglock::Holding;
use bql::{Bql, BqlCondvar, BqlGuard};

fn keep(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.wait_while(bql, |bql| {
        let mut kept: Option<Holding<'_, Bql>> = None;
        kept.replace(bql.split().0).is_some()
    });
}

fn main() {}
