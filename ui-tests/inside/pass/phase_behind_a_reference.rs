//! claim: phase.moving-on-consumes
//! Moves on from a phase that somebody else owns.
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Active, Failed, Setup};

fn start(
    setup: Setup,
    state: &MigrationState,
    thread: &mut BqlUnlocked,
) -> Result<Active, Failed> {
    setup.activate(state, thread)
}

fn main() {}
