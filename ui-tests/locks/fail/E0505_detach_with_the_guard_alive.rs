//! claim: lock.guard-borrows-the-token
//! Gives the token back while a guard of it lives.

use bql::BqlUnlocked;

fn leave(mut thread: BqlUnlocked) {
    let guard = thread.lock();
    drop(thread); //~ E0505
    drop(guard);
}

fn main() {}
