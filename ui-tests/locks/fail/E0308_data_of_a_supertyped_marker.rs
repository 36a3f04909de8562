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

fn coerce(it: &'static Guarded<u32, Named<Special>>) -> &'static Guarded<u32, Named<General>> {
    it //~ E0308
}

fn main() {}
