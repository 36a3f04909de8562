//! claim: phase.ends-are-not-lost
//! Completes and returns: the machine is never told that it has moved.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Failed, Switchover};

fn end(last: Switchover, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<(), Failed> {
    let completed = last.complete(state, thread)?;
    let mut bql = thread.lock();
    completed.clean_up(state, &mut bql).publish(state, &mut bql);
    Ok(())
}

fn main() {}
