//! claim: inside.count-comes-first
//! Makes a counted reference out of a borrowed object.
use std::sync::Arc;

use engine::MigrationState;

fn keep(state: &Arc<MigrationState>) -> Arc<MigrationState> {
    state.counted()
}

fn main() {}
