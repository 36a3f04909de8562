//! claim: lock.tokens-stay-on-their-thread
//! Leaks the token, so that the guard is `'static`, and keeps the guard in a static.

use bql::BqlGuard;

enum Slot<T> {
    Empty,
    Full(T),
}
thread_local!(static HELD: Slot<BqlGuard<'static>> = const { Slot::Empty });

fn main() {}
