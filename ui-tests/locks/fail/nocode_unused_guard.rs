//! claim: lock.a-forgotten-token-is-noticed
//! Locks and forgets to keep the guard, so that nothing is locked below.
#![deny(unused_must_use)]
use bql::BqlUnlocked;

fn enter(thread: &mut BqlUnlocked) {
    thread.lock(); //~ nocode must
}

fn main() {}
