//! claim: phase.no-skip
//! Stops the machine before any memory was sent.
use bql::BqlUnlocked;
use engine::outgoing::{Failed, Setup, Switchover};

fn go(setup: Setup, thread: &mut BqlUnlocked) -> Result<Switchover, Failed> {
    setup.switch_over(thread) //~ E0599 switch_over
}

fn main() {}
