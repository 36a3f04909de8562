//! claim: inside.one-object-one-identity
//! Makes an object that belongs to no machine.
use std::sync::Arc;

use engine::{Host, MigrationError, MigrationState};

fn make(host: Host) -> Result<Arc<MigrationState>, MigrationError> {
    let _ = host;
    Ok(Arc::new(MigrationState::default())) //~ E0599 default
}

fn main() {}
