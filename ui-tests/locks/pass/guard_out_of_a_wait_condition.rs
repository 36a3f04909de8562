//! claim: lock.no-guard-leaves-the-closure
//! Keeps the guard that the condition of a wait is lent.

use bql::{BqlCondvar, BqlGuard};

fn escape(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    changed.wait_while(bql, |bql| {
        let mut kept: Option<&mut BqlGuard<'_>> = None;
        kept.replace(bql).is_some()
    });
}

fn main() {}
