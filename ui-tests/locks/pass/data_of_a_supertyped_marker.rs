//! claim: lock.marker-is-invariant
//! Uses data of one marker as data of its subtype, the other way round.

use biglock::{Guarded, Lock, StdMutex};

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

fn coerce<T: 'static>(it: &'static Guarded<u32, Named<T>>) -> &'static Guarded<u32, Named<T>> {
    it
}

fn main() {}
