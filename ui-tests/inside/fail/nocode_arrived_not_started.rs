//! claim: phase.ends-are-not-lost
//! Confirms to the source that the machine is here, and never lets it go on.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::incoming::Loaded;
use engine::MigrationError;

fn end(loaded: Loaded, thread: &mut BqlUnlocked) -> Result<(), MigrationError> {
    loaded.confirm(thread)?; //~ nocode
    Ok(())
}

fn main() {}
