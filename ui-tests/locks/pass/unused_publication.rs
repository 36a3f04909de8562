//! claim: export.a-lost-publication-is-noticed
//! Publishes and forgets to keep the right to retire.
#![deny(unused_must_use)]
use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::{AlreadyPublished, Exported};

static PLACE: Exported<String, Bql> = Exported::new();

fn begin(bql: &mut BqlGuard<'_>) -> Result<(), AlreadyPublished<String>> {
    let _publication = PLACE.publish(bql, Arc::new(String::new()))?;
    Ok(())
}

fn main() {}
