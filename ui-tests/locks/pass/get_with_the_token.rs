//! claim: export.read-needs-a-guard
//! Looks the object up with the token that says the lock is not held.

use bql::{Bql, BqlUnlocked};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn name(thread: &mut BqlUnlocked) -> usize {
    PLACE.get(&thread.lock()).map_or(0, |object| object.len())
}

fn main() {}
