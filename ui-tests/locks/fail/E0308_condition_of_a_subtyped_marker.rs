//! claim: lock.marker-is-invariant
//! Uses a condition of one marker as a condition of its supertype.

use biglock::{Condvar, Lock, StdMutex};

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

fn coerce(it: &'static Condvar<Named<General>>) -> &'static Condvar<Named<Special>> {
    it //~ E0308
}

fn main() {}
