//! claim: lock.blocking-needs-the-lock-let-go
//! Dereferences the guard to come back to the token below it.

use bql::{BqlGuard, BqlUnlocked};

fn send(_thread: &mut BqlUnlocked) {}

fn save(bql: &mut BqlGuard<'_>) {
    send(&mut **bql); //~ E0614
}

fn main() {}
