//! claim: inside.no-name-for-the-export
//! Looks for the export among what the engine hands on of its own dependencies.
use engine::exported::Exported; //~ E0432 exported
use engine::MigrationState;

fn look(state: &MigrationState) {
    let _ = (std::any::type_name::<Exported<MigrationState, bql::Bql>>(), state);
}

fn main() {}
