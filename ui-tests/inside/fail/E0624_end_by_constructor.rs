//! claim: phase.end-comes-from-cleanup
//! Publishes COMPLETED while the machine and the notifiers do not know yet.
use bql::BqlGuard;
use engine::outgoing::Completed;
use engine::{Cleaned, Direction, MigrationState};

fn announce(done: Completed, state: &MigrationState, bql: &mut BqlGuard<'_>) {
    Cleaned::completed(Direction::Outgoing).publish(state, bql); //~ E0624 completed
    let _ = done;
}

fn main() {}
