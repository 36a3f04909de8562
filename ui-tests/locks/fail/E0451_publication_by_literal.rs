//! claim: export.publication-is-not-forged
//! Writes the right to retire down as a struct literal.

use bql::Bql;
use exported::{Exported, Publication};

static PLACE: Exported<String, Bql> = Exported::new();

fn forge(old: Publication<String, Bql>) -> Publication<String, Bql> {
    Publication { place: &PLACE, ..old } //~ E0451 place
}

fn main() {}
