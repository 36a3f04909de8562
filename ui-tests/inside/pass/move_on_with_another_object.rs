//! claim: phase.keeps-its-object
//! Moves a phase on with another object than the one that it began with.
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Active, Failed, Setup};

fn start(setup: Setup, other: &MigrationState, thread: &mut BqlUnlocked) -> Result<Active, Failed> {
    { let _ = other; setup.activate(thread) }
}

fn main() {}
