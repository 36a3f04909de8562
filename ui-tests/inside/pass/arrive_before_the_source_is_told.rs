//! claim: phase.no-skip
//! Starts the machine here while the source still believes that it is there.
use bql::BqlUnlocked;
use engine::incoming::Loaded;
use engine::{Cleaned, MigrationError, MigrationState};

fn end(loaded: Loaded, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Cleaned, MigrationError> {
    Ok(loaded.confirm(state, thread)?.clean_up(state, &mut thread.lock()))
}

fn main() {}
