//! claim: export.place-is-static
//! Declares the place as a thread-local, which goes away with its thread.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

thread_local!(static PLACE: Exported<String, Bql> = const { Exported::new() });

fn begin(bql: &mut BqlGuard<'_>) -> bool {
    PLACE.with(|place| place.publish(bql, Arc::new(String::new())).is_ok()) //~ E0521
}

fn main() {}
