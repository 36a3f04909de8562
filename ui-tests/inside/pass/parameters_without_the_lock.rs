//! claim: inside.settings-need-the-lock
//! Sets parameters on a thread without the BQL, beside a command that holds it.
use bql::BqlUnlocked;
use engine::{MigrationParameters, MigrationState};

fn throttle(state: &MigrationState, thread: &mut BqlUnlocked, slow: MigrationParameters) {
    let _ = state.set_parameters(&thread.lock(), slow);
}

fn main() {}
