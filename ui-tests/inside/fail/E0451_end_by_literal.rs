//! claim: phase.end-comes-from-cleanup
//! Publishes FAILED with a value that no cleanup returned.
use std::sync::Arc;

use bql::BqlGuard;
use engine::outgoing::Failed;
use engine::{Cleaned, Direction, MigrationState, MigrationStatus};

fn give_up(failed: Failed, state: Arc<MigrationState>, bql: &mut BqlGuard<'_>) {
    let (direction, status) = (Direction::Outgoing, MigrationStatus::Failed);
    let cleaned = Cleaned { state, direction, status }; //~ E0451 state
    let _ = failed;
    cleaned.publish(bql);
}

fn main() {}
