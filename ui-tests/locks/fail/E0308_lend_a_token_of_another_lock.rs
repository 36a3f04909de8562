//! claim: lock.marker-names-the-lock
//! Blocks for one lock with the token of another.

use biglock::{Lock, StdMutex, Unlocked};
use bql::Bql;

enum Other {}
impl Lock for Other {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}
fn flush(_thread: &mut Unlocked<Bql>) {}

fn finish(thread: &mut Unlocked<Other>) {
    flush(thread); //~ E0308
}

fn main() {}
