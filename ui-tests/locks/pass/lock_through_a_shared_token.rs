//! claim: lock.release-is-exclusive
//! Locks through a shared borrow of the token, which could be had twice.

use bql::BqlUnlocked;

fn enter(thread: &mut BqlUnlocked) {
    drop(thread.lock());
}

fn main() {}
