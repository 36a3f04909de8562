//! claim: export.read-is-shared
//! Writes to the object through a read.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn reset(bql: &mut BqlGuard<'_>) -> Option<()> {
    let object = PLACE.get(bql)?;
    *object = String::new(); //~ E0594
    Some(())
}

fn main() {}
