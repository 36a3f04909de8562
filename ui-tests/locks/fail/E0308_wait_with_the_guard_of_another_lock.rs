//! claim: lock.marker-names-the-lock
//! Waits on a condition of one lock with the guard of another.

use biglock::{Condvar, Guard, Lock, StdMutex};
use bql::Bql;

enum Other {}
impl Lock for Other {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}

fn wait(changed: &Condvar<Bql>, held: &mut Guard<'_, Other>) {
    changed.wait(held); //~ E0308
}

fn main() {}
