//! claim: export.read-needs-a-guard
//! Looks at what is published without the lock, through the place's insides.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn is_vacant(bql: &BqlGuard<'_>) -> bool {
    let _bql = bql;
    let _slot = &PLACE.slot; //~ E0616 slot
    PLACE.get(bql).is_none()
}

fn main() {}
