//! claim: lock.split-keeps-the-lock
//! Publishes an object while a part of the guard is used to look for one.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn fill(bql: &mut BqlGuard<'_>) -> bool {
    let (holding, _access) = bql.split();
    let publication = PLACE.publish(bql, Arc::default()); //~ E0499
    PLACE.get_while(holding).is_some() && publication.is_err()
}

fn main() {}
