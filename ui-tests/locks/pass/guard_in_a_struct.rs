//! claim: lock.guard-borrows-the-token
//! Keeps the guard in a struct, without the token that it came from.

use bql::{BqlGuard, BqlUnlocked};

struct Session<'t> {
    bql: BqlGuard<'t>,
}

fn open<'t>(thread: &'t mut BqlUnlocked) -> Session<'t> {
    Session { bql: thread.lock() }
}

fn main() {}
