//! claim: export.owner-gives-a-count
//! Publishes a borrowed object, which its owner may drop.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn begin(bql: &mut BqlGuard<'_>, object: std::sync::Arc<String>) -> bool {
    PLACE.publish(bql, object).is_ok()
}

fn main() {}
