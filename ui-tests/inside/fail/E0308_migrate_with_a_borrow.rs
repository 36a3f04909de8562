//! claim: inside.count-comes-first
//! Starts a migration and leaves it to the new thread to count.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Endpoint, MigrationError, MigrationState, migrate};

fn start(
    state: &Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    to: Endpoint,
) -> Result<(), MigrationError> {
    migrate(state, bql, to) //~ E0308
}

fn main() {}
