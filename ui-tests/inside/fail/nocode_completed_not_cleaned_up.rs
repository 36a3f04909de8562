//! claim: phase.ends-are-not-lost
//! Completes and returns: the machine is never told that it has moved.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Failed, Switchover};

fn end(last: Switchover, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<(), Failed> {
    last.complete(state, thread)?; //~ nocode
    Ok(())
}

fn main() {}
