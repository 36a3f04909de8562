//! claim: export.read-needs-a-guard
//! Dereferences the place as if it were the raw pointer of C.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn len(bql: &BqlGuard<'_>) -> Option<usize> {
    PLACE.get(bql)?;
    Some((*PLACE).len()) //~ E0614
}

fn main() {}
