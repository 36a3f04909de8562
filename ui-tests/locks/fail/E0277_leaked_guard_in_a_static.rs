//! claim: lock.tokens-stay-on-their-thread
//! Leaks the token, so that the guard is `'static`, and keeps the guard in a static.

use bql::BqlGuard;

enum Slot<T> {
    Empty,
    Full(T),
}
static HELD: Slot<BqlGuard<'static>> = Slot::Empty; //~ E0277 shared

fn main() {}
