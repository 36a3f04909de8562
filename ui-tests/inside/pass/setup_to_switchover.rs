//! claim: phase.no-skip
//! Stops the machine before any memory was sent.
use bql::BqlUnlocked;
use engine::outgoing::{Failed, Setup, Switchover};

fn go(setup: Setup, thread: &mut BqlUnlocked) -> Result<Switchover, Failed> {
    setup.activate(thread)?.iterate(thread)?.switch_over(thread)
}

fn main() {}
