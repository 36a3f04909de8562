//! claim: inside.settings-need-the-lock
//! Starts a migration where somebody may still be reading.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Endpoint, MigrationError, MigrationState, migrate};

type Lent<'a, 't> = &'a mut BqlGuard<'t>;

fn start(state: Arc<MigrationState>, bql: Lent, to: Endpoint) -> Result<(), MigrationError> {
    migrate(state, bql, to)
}

fn main() {}
