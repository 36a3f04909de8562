//! claim: lock.tokens-stay-on-their-thread
//! Makes the token itself a static.

use bql::BqlUnlocked;

enum Slot<T> {
    Empty,
    Full(T),
}
thread_local!(static TOKEN: Slot<BqlUnlocked> = const { Slot::Empty });

fn main() {}
