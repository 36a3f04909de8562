//! claim: lock.no-guard-leaves-the-closure
//! Puts the inner guard into a variable outside the closure.

use bql::{BqlGuard, BqlUnlocked};

fn escape(bql: &mut BqlGuard<'_>) {
    let mut kept: Option<BqlGuard<'_>> = None;
    bql.unlocked(|thread: &mut BqlUnlocked| {
        drop(kept.replace(thread.lock())); //~ E0521
    });
}

fn main() {}
