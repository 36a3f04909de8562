//! claim: inside.one-object-one-identity
//! Copies the object, so that two threads each change their own status.
use std::sync::Arc;

use engine::MigrationState;

fn second(state: &Arc<MigrationState>) {
    let _second = (**state).clone(); //~ E0599 clone MigrationState
}

fn main() {}
