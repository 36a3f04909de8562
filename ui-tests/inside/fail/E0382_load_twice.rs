//! claim: phase.moving-on-consumes
//! Reads a second machine off a connection that was read to its end.
use bql::BqlUnlocked;
use engine::incoming::{Connected, Loaded};
use engine::MigrationError;

fn load(from: Connected, thread: &mut BqlUnlocked) -> Result<Loaded, MigrationError> {
    let _first = from.load(thread)?;
    from.load(thread) //~ E0382
}

fn main() {}
