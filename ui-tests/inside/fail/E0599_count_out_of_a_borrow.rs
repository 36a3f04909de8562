//! claim: inside.count-comes-first
//! Makes a counted reference out of a borrowed object.
use std::sync::Arc;

use engine::MigrationState;

fn keep(state: &MigrationState) -> Arc<MigrationState> {
    state.counted() //~ E0599 counted
}

fn main() {}
