//! claim: export.place-is-static
//! Publishes in a place on the stack, which goes away while the object is published.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

fn begin(bql: &mut BqlGuard<'_>) -> bool {
    let place: Exported<String, Bql> = Exported::new();
    place.publish(bql, Arc::new(String::new())).is_ok() //~ E0597
}

fn main() {}
