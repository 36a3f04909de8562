//! claim: face.helpers-take-a-token
//! Sets parameters while a command that holds the BQL reads them.
use migration::bql::BqlUnlocked;
use migration::{CommandError, MigrationParameters};

fn set(thread: &mut BqlUnlocked, to: MigrationParameters) -> Result<(), CommandError> {
    migration::set_parameters(&thread.lock(), to)
}

fn main() {}
