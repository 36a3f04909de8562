//! claim: export.retire-is-exclusive
//! Publishes for a scope while it looks at what was published before.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn replace(object: Arc<String>, bql: &mut BqlGuard<'_>) -> Option<usize> {
    drop(PLACE.scope(bql, object, |_| ()));
    let old = PLACE.get(bql)?;
    Some(old.len())
}

fn main() {}
