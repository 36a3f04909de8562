//! claim: lock.tokens-are-not-forged
//! Writes a guard down as a struct literal.

use bql::{BqlGuard, BqlUnlocked};

fn forge(thread: &mut BqlUnlocked) -> BqlGuard<'_> {
    BqlGuard { thread } //~ E0451 thread
}

fn main() {}
