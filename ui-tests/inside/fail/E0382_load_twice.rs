//! claim: phase.moving-on-consumes
//! Reads a second machine off a connection that was read to its end.
use bql::BqlUnlocked;
use engine::incoming::{Connected, Loaded};
use engine::{MigrationError, MigrationState};

fn load(from: Connected, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Loaded, MigrationError> {
    let _first = from.load(state, thread)?;
    from.load(state, thread) //~ E0382
}

fn main() {}
