//! claim: export.read-ends-with-the-lock
//! Keeps the object while it waits for a condition.

use bql::{Bql, BqlCondvar, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn len(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) -> Option<usize> {
    changed.wait(bql);
    let object = PLACE.get(bql)?;
    Some(object.len())
}

fn main() {}
