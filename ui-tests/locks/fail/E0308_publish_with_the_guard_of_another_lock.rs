//! claim: export.marker-names-the-lock
//! Publishes with the guard of another lock.

use biglock::{Guard, Lock, StdMutex};
use bql::Bql;
use exported::Exported;

enum Other {}
impl Lock for Other {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}
static PLACE: Exported<String, Bql> = Exported::new();

fn attempt(held: &mut Guard<'_, Other>) -> bool {
    PLACE.publish(held, std::sync::Arc::default()).is_ok() //~ E0308
}

fn main() {}
