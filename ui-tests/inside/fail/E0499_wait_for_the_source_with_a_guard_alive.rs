//! claim: phase.sends-without-the-lock
//! Waits for the source with the BQL held, for as long as it takes.
use bql::BqlUnlocked;
use engine::incoming::Connected;
use engine::{Begun, Endpoint, MigrationError, MigrationState};

fn wait(state: &MigrationState, thread: &mut BqlUnlocked, begun: Begun, from: Endpoint) -> Result<Connected, MigrationError> {
    let guard = thread.lock();
    let connected = Connected::wait(state, thread, begun, from); //~ E0499
    drop(guard);
    connected
}

fn main() {}
