//! claim: inside.life-is-told-by-the-object
//! Says that an object is gone that is there.
use engine::MigrationState;

fn end(state: &MigrationState) {
    state.note_retired();
}

fn main() {}
