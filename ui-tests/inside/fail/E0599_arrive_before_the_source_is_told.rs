//! claim: phase.no-skip
//! Starts the machine here while the source still believes that it is there.
use bql::BqlUnlocked;
use engine::incoming::Loaded;
use engine::{Cleaned, MigrationError};

fn end(loaded: Loaded, thread: &mut BqlUnlocked) -> Result<Cleaned, MigrationError> {
    Ok(loaded.clean_up(&mut thread.lock())) //~ E0599 clean_up
}

fn main() {}
