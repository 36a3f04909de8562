//! claim: export.read-ends-with-the-lock
//! Writes the `migrate_get_current()` of old: no token, and a reference comes back.

use bql::{Bql, BqlUnlocked};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn current(thread: &mut BqlUnlocked) -> Option<&str> {
    let guard = thread.lock();
    PLACE.get(&guard).map(|object| object.as_str()) //~ E0515
}

fn main() {}
