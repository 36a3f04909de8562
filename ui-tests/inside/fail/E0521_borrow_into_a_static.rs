//! claim: inside.borrow-ends-with-the-call
//! Remembers the object for later in a place of its own.
use std::sync::{Arc, OnceLock};

use engine::MigrationState;

fn remember(
    state: &Arc<MigrationState>,
    place: &OnceLock<&'static MigrationState>,
) {
    let _ = place.set(state); //~ E0521
}

fn main() {}
