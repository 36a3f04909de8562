//! claim: inside.no-name-for-the-export
//! Looks for the export among what the engine hands on of its own dependencies.
use engine::Observer;
use engine::MigrationState;

fn look(state: &MigrationState) {
    let _ = (std::any::type_name::<(Observer, bql::Bql)>(), state);
}

fn main() {}
