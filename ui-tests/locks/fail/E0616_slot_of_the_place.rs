//! claim: export.read-needs-a-guard
//! Reaches the slot of the place through its private field.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn peek(bql: &BqlGuard<'_>) -> bool {
    let _ = &PLACE.slot; //~ E0616 slot
    PLACE.get(bql).is_some()
}

fn main() {}
