//! claim: lock.blocking-needs-the-lock-let-go
//! Dereferences the guard to come back to the token below it.

use bql::{BqlGuard, BqlUnlocked};

fn send(_thread: &mut BqlUnlocked) {}

fn save(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| send(&mut *thread));
}

fn main() {}
