//! claim: lock.no-guard-leaves-the-closure
//! Passes on a closure that wants the token for a lifetime of its caller, not for any.

use bql::{BqlGuard, BqlUnlocked};

fn around<'u, R>(bql: &mut BqlGuard<'_>, f: impl FnOnce(&'u mut BqlUnlocked) -> R) -> R {
    bql.unlocked(f) //~ E0277 closure
}

fn main() {}
