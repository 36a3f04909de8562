//! claim: phase.end-comes-from-cleanup
//! Publishes COMPLETED while the machine and the notifiers do not know yet.
use std::sync::Arc;

use bql::BqlGuard;
use engine::outgoing::Completed;
use engine::{Cleaned, Direction, MigrationState};

fn announce(done: Completed, state: &Arc<MigrationState>, bql: &mut BqlGuard<'_>) {
    let cleaned: Cleaned = done.clean_up(bql);
    let _ = (state, Direction::Outgoing);
    cleaned.publish(bql);
}

fn main() {}
