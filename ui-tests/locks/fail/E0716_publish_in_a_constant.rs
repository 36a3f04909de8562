//! claim: export.place-is-static
//! Declares the place as a `const`, so that each use would have its own.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

const PLACE: Exported<String, Bql> = Exported::new();

fn begin(bql: &mut BqlGuard<'_>) -> bool {
    PLACE.publish(bql, Arc::new(String::new())).is_ok() //~ E0716
}

fn main() {}
