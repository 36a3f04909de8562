//! claim: lock.tokens-stay-on-their-thread
//! Makes the token itself a static.

use bql::BqlUnlocked;

enum Slot<T> {
    Empty,
    Full(T),
}
static TOKEN: Slot<BqlUnlocked> = Slot::Empty; //~ E0277 shared

fn main() {}
