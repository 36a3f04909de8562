//! claim: lock.marker-is-invariant
//! Uses two markers that are subtypes of each other, and still not the same lock.

use biglock::{Guarded, Lock, StdMutex};

struct Named<T>(T);
type General = for<'a> fn(&'a (), &'a ());
type Special = for<'a, 'b> fn(&'a (), &'b ());
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
