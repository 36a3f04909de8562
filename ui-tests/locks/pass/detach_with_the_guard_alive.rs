//! claim: lock.guard-borrows-the-token
//! Gives the token back while a guard of it lives.

use bql::BqlUnlocked;

fn leave(mut thread: BqlUnlocked) {
    let guard = thread.lock();
    drop(guard);
    drop(thread);
}

fn main() {}
