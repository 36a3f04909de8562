//! claim: lock.marker-is-invariant
//! Uses the token of one marker as the token of its supertype.

use biglock::{Lock, StdMutex, Unlocked};

struct Named<T>(T);
type General = for<'a> fn(&'a ());
type Special = fn(&'static ());
impl<T: 'static> Lock for Named<T> {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}

fn coerce<T: 'static>(it: Unlocked<Named<T>>) -> Unlocked<Named<T>> {
    it
}

fn main() {}
