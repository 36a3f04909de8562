//! claim: inside.no-name-for-the-export
//! Links the crate of the one global by hand.
extern crate exported; //~ E0463 exported
extern crate engine;

use engine::MigrationState;

fn object(state: &MigrationState) -> &MigrationState {
    state
}

fn main() {}
