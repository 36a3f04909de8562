//! claim: inside.life-is-told-by-the-object
//! Says that an object is gone that is there.
use engine::MigrationState;

fn end(state: &MigrationState) {
    state.record(engine::LifeEventKind::Dropped); //~ E0599 record
}

fn main() {}
