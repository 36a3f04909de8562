//! claim: phase.ends-are-not-lost
//! Confirms to the source that the machine is here, and never lets it go on.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::incoming::Loaded;
use engine::{MigrationError, MigrationState};

fn end(loaded: Loaded, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<(), MigrationError> {
    let arrived = loaded.confirm(state, thread)?;
    let mut bql = thread.lock();
    arrived.clean_up(state, &mut bql).publish(state, &mut bql);
    Ok(())
}

fn main() {}
