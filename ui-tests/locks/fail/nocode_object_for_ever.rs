//! claim: export.read-ends-with-the-lock
//! Claims that the object lives for ever, since the place does.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn current<'g>(bql: &'g BqlGuard<'g>) -> Option<&'static String> {
    Some(PLACE.get(bql)?) //~ nocode
}

fn main() {}
