//! claim: lock.no-guard-leaves-the-closure
//! Puts the lent token into a variable outside the closure, to block later.

use bql::{BqlGuard, BqlUnlocked};

fn escape(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| {
        let mut kept: Option<&mut BqlUnlocked> = None;
        let _ = kept.replace(thread);
    });
}

fn main() {}
