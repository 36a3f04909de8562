//! claim: phase.no-skip
//! Tells the source that everything is here before anything was read.
use bql::BqlUnlocked;
use engine::incoming::{Arrived, Connected};
use engine::{MigrationError, MigrationState};

fn end(from: Connected, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Arrived, MigrationError> {
    from.load(state, thread)?.confirm(state, thread)
}

fn main() {}
