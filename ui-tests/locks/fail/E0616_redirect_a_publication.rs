//! claim: export.publication-is-not-forged
//! Points a publication at another place, to retire what it did not publish.

use bql::Bql;
use exported::{Exported, Publication};

static PLACE: Exported<String, Bql> = Exported::new();

fn redirect(publication: &mut Publication<String, Bql>) -> &'static Exported<String, Bql> {
    publication.place = &PLACE; //~ E0616 place
    &PLACE
}

fn main() {}
