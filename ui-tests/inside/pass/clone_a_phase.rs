//! claim: phase.no-second-copy
//! Copies a phase, to try again if the next one fails.
use bql::BqlUnlocked;
use engine::outgoing::{Active, Failed, Setup};

fn start(setup: Setup, thread: &mut BqlUnlocked) -> Result<Active, Failed> {
    setup.activate(thread)
}

fn main() {}
