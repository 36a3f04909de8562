//! claim: lock.blocking-needs-the-lock-let-go
//! Hands the guard to a function that may block.

use bql::{BqlGuard, BqlUnlocked};

fn send(_thread: &mut BqlUnlocked, _page: &[u8]) {}

fn save(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| send(thread, b"page"));
}

fn main() {}
