//! claim: lock.marker-names-the-lock
//! Reads data of one lock with the guard of another.

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

fn peek(held: &Guard<'_, Other>) -> u32 {
    *RUNS.borrow(held) //~ E0308
}

fn main() {}
