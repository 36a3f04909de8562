//! claim: export.read-needs-a-guard
//! Takes a count of the object without the lock, while it may be retired.

use std::sync::Arc;

use bql::{Bql, BqlUnlocked};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn object(thread: &mut BqlUnlocked) -> Option<Arc<String>> {
    PLACE.share(thread) //~ E0308
}

fn main() {}
