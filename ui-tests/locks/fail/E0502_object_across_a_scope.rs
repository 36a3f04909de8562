//! claim: export.retire-is-exclusive
//! Publishes for a scope while it looks at what was published before.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn replace(object: Arc<String>, bql: &mut BqlGuard<'_>) -> Option<usize> {
    let old = PLACE.get(bql)?;
    drop(PLACE.scope(bql, object, |_| ())); //~ E0502
    Some(old.len())
}

fn main() {}
