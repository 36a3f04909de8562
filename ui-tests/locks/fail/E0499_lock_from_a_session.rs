//! claim: lock.guard-borrows-the-token
//! Keeps the guard in a struct of its own and locks the token beside it.

use bql::{BqlGuard, BqlUnlocked};

struct Session<'t> {
    _held: BqlGuard<'t>,
}

fn run(thread: &mut BqlUnlocked) {
    let session = Session { _held: thread.lock() };
    drop(thread.lock()); //~ E0499
    drop(session);
}

fn main() {}
