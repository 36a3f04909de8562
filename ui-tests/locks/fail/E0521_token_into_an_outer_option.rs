//! claim: lock.no-guard-leaves-the-closure
//! Puts the lent token into a variable outside the closure, to block later.

use bql::{BqlGuard, BqlUnlocked};

fn escape(bql: &mut BqlGuard<'_>) {
    let mut kept: Option<&mut BqlUnlocked> = None;
    bql.unlocked(|thread| {
        let _ = kept.replace(thread); //~ E0521
    });
}

fn main() {}
