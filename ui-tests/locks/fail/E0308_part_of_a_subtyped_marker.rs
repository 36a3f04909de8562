//! claim: lock.marker-is-invariant
//! Uses a part of a guard of one marker as a part of a guard of its supertype.

use biglock::{Holding, Lock, StdMutex};

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

fn coerce(it: Holding<'_, Named<General>>) -> Holding<'_, Named<Special>> {
    it //~ E0308
}

fn main() {}
