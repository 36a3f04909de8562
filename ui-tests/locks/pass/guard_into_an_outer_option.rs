//! claim: lock.no-guard-leaves-the-closure
//! Puts the inner guard into a variable outside the closure.

use bql::{BqlGuard, BqlUnlocked};

fn escape(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread: &mut BqlUnlocked| {
        let mut kept: Option<BqlGuard<'_>> = None;
        drop(kept.replace(thread.lock()));
    });
}

fn main() {}
