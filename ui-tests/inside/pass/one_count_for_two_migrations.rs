//! claim: inside.count-comes-first
//! Starts a second migration with the count that the first one owns.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Endpoint, MigrationError, MigrationState, migrate, migrate_incoming};

fn start_both(
    state: Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    (from, to): (Endpoint, Endpoint),
) -> Result<(), MigrationError> {
    migrate_incoming(state.counted(), bql, from)?;
    migrate(state, bql, to)
}

fn main() {}
