//! claim: export.place-is-static
//! Declares the place as a thread-local, which goes away with its thread.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

thread_local!(static PLACE: &'static Exported<String, Bql> = Box::leak(Box::new(Exported::new())));

fn begin(bql: &mut BqlGuard<'_>) -> bool {
    PLACE.with(|place| place.publish(bql, Arc::new(String::new())).is_ok())
}

fn main() {}
