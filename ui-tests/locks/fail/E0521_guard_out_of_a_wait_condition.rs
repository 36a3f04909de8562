//! claim: lock.no-guard-leaves-the-closure
//! Keeps the guard that the condition of a wait is lent.

use bql::{BqlCondvar, BqlGuard};

fn escape(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) {
    let mut kept: Option<&mut BqlGuard<'_>> = None;
    changed.wait_while(bql, |bql| {
        kept.replace(bql).is_some() //~ E0521
    });
}

fn main() {}
