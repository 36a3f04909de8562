//! claim: phase.end-comes-from-cleanup
//! Publishes FAILED with a value that no cleanup returned.
use std::sync::Arc;

use bql::BqlGuard;
use engine::outgoing::Failed;
use engine::{Cleaned, Direction, MigrationState, MigrationStatus};

fn give_up(failed: Failed, state: Arc<MigrationState>, bql: &mut BqlGuard<'_>) {
    let (direction, status) = (Direction::Outgoing, MigrationStatus::Failed);
    let cleaned: Cleaned = failed.clean_up(bql);
    let _ = (state, direction, status);
    cleaned.publish(bql);
}

fn main() {}
