//! claim: phase.no-skip
//! Tells the source that everything is here before anything was read.
use bql::BqlUnlocked;
use engine::incoming::{Arrived, Connected};
use engine::MigrationError;

fn end(from: Connected, thread: &mut BqlUnlocked) -> Result<Arrived, MigrationError> {
    from.confirm(thread) //~ E0599 confirm
}

fn main() {}
