//! claim: export.retire-is-exclusive
//! Publishes with a shared borrow of the guard.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn begin(bql: &BqlGuard<'_>) -> bool {
    PLACE.publish(bql, Arc::new(String::new())).is_ok() //~ E0308
}

fn main() {}
