//! claim: lock.marker-is-invariant
//! Uses a guard of one marker as a guard of its supertype.

use biglock::{Guard, Lock, StdMutex};

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

fn coerce<T: 'static>(it: Guard<'static, Named<T>>) -> Guard<'static, Named<T>> {
    it
}

fn main() {}
