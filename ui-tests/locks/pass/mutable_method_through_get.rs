//! claim: export.read-is-shared
//! Calls a method that changes the object.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn reset(bql: &mut BqlGuard<'_>) -> Option<()> {
    PLACE.get(bql)?.clone().clear();
    Some(())
}

fn main() {}
