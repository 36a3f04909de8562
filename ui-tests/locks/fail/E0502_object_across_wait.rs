//! claim: export.read-ends-with-the-lock
//! Keeps the object while it waits for a condition.

use bql::{Bql, BqlCondvar, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn len(changed: &BqlCondvar, bql: &mut BqlGuard<'_>) -> Option<usize> {
    let object = PLACE.get(bql)?;
    changed.wait(bql); //~ E0502
    Some(object.len())
}

fn main() {}
