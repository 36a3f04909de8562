//! claim: export.read-is-shared
//! Takes a count of the object from a read, which only the owner of the place may.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn keep(bql: &BqlGuard<'_>) -> Option<Arc<String>> {
    PLACE.get(bql).and(PLACE.share(bql))
}

fn main() {}
