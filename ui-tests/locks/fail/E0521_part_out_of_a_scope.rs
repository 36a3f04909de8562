//! claim: lock.split-keeps-the-lock
//! Keeps a part of the guard that the closure of a scope is lent, past the end of the scope.

use std::sync::Arc;

use biglock::Holding;
use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn keep(bql: &mut BqlGuard<'_>) {
    let mut kept: Option<Holding<'_, Bql>> = None;
    let _ended = PLACE.scope(bql, Arc::default(), |bql| {
        kept.replace(bql.split().0).is_some() //~ E0521
    });
}

fn main() {}
