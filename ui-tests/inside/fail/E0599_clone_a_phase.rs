//! claim: phase.no-second-copy
//! Copies a phase, to try again if the next one fails.
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Active, Failed, Setup};

fn start(setup: Setup, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Active, Failed> {
    setup.clone().activate(state, thread) //~ E0599 clone Setup
}

fn main() {}
