//! claim: export.read-ends-with-the-lock
//! Publishes while it looks at what was published before.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn replace(object: Arc<String>, bql: &mut BqlGuard<'_>) -> Option<usize> {
    let old = PLACE.get(bql)?;
    drop(PLACE.publish(bql, object)); //~ E0502
    Some(old.len())
}

fn main() {}
