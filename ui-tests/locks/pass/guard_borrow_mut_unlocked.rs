//! claim: lock.blocking-needs-the-lock-let-go
//! Asks the guard for its token through `BorrowMut`.

use std::borrow::BorrowMut;

use bql::{BqlGuard, BqlUnlocked};

fn send(mut thread: impl BorrowMut<BqlUnlocked>) {
    drop(thread.borrow_mut().lock());
}

fn save(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| send(thread));
}

fn main() {}
