//! claim: export.read-ends-with-the-lock
//! Uses the object after the guard is dropped.

use bql::{Bql, BqlUnlocked};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn len(thread: &mut BqlUnlocked) -> Option<usize> {
    let guard = thread.lock();
    let object = PLACE.get(&guard)?.clone();
    drop(guard);
    Some(object.len())
}

fn main() {}
