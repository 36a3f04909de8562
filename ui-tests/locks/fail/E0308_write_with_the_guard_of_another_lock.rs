//! claim: lock.marker-names-the-lock
//! Writes data of one lock with the guard of another.

use biglock::{Guard, Guarded, Lock, StdMutex};
use bql::Bql;

enum Other {}
impl Lock for Other {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}
static RUNS: Guarded<u32, Bql> = Guarded::new(0);

fn bump(held: &mut Guard<'_, Other>) {
    *RUNS.borrow_mut(held) += 1; //~ E0308
}

fn main() {}
