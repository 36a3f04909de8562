//! claim: lock.split-keeps-the-lock
//! Keeps a part of the guard that the condition of a wait is lent, while the wait releases the lock.

use biglock::Holding;
use bql::{Bql, BqlCondvar, BqlGuard};

fn keep(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    let mut kept: Option<Holding<'_, Bql>> = None;
    changed.wait_while(bql, |bql| {
        kept.replace(bql.split().0).is_some() //~ E0521
    });
}

fn main() {}
