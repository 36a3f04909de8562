//! claim: export.publication-stays-on-its-thread
//! Hands the right to retire to a background thread.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn require_send<T: Send>(_: T) {}

fn give(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) {
    bql.unlocked(|_| ());
    require_send(publication); //~ E0277 sent
}

fn main() {}
