//! claim: lock.tokens-are-not-duplicated
//! Takes the token out of the reference that `unlocked` lends, and leaves a default.

use bql::{BqlGuard, BqlUnlocked};

fn take<T: Default>(place: &mut T) -> T {
    std::mem::take(place)
}

fn steal(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| drop::<BqlUnlocked>(take(thread))); //~ E0277 Default
}

fn main() {}
