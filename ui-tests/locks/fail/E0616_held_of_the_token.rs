//! claim: lock.tokens-are-not-forged
//! Takes the raw lock out of the token, which then believes that it is not held.

use bql::BqlUnlocked;

fn steal(thread: &mut BqlUnlocked) {
    drop(thread.held.take()); //~ E0616 held
}

fn main() {}
