//! claim: phase.end-comes-from-cleanup
//! Publishes COMPLETED while the machine and the notifiers do not know yet.
use bql::BqlGuard;
use engine::outgoing::Completed;
use engine::{Cleaned, Direction, MigrationState};

fn announce(done: Completed, state: &MigrationState, bql: &mut BqlGuard<'_>) {
    let (cleaned, _): (Cleaned, _) = (done.clean_up(state, bql), Direction::Outgoing);
    cleaned.publish(state, bql);
}

fn main() {}
