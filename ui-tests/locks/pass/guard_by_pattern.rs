//! claim: lock.tokens-are-not-forged
//! Takes a guard apart with a pattern, so that its drop does not run.

use bql::{BqlGuard, BqlUnlocked};

fn send(_thread: &mut BqlUnlocked) {}

fn save(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| send(thread));
}

fn main() {}
