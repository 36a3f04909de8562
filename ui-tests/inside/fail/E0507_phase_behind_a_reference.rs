//! claim: phase.moving-on-consumes
//! Moves on from a phase that somebody else owns.
use bql::BqlUnlocked;
use engine::outgoing::{Active, Failed, Setup};

fn start(
    setup: &mut Setup,
    thread: &mut BqlUnlocked,
) -> Result<Active, Failed> {
    setup.activate(thread) //~ E0507
}

fn main() {}
