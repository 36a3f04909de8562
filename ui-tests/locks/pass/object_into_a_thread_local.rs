//! claim: export.read-ends-with-the-lock
//! Caches the object in a thread-local.

use std::cell::Cell;

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();
thread_local!(static CACHE: Cell<Option<String>> = const { Cell::new(None) });

fn cache<'g>(bql: &'g BqlGuard<'g>) {
    CACHE.set(PLACE.get(bql).cloned());
}

fn main() {}
