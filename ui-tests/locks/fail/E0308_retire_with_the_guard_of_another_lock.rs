//! claim: export.marker-names-the-lock
//! Retires with the guard of another lock.

use biglock::{Guard, Lock, StdMutex};
use bql::Bql;
use exported::Publication;

enum Other {}
impl Lock for Other {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}

fn end(publication: Publication<String, Bql>, held: &mut Guard<'_, Other>) {
    drop(publication.retire(held)); //~ E0308
}

fn main() {}
