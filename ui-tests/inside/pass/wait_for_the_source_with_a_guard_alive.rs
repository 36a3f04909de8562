//! claim: phase.sends-without-the-lock
//! Waits for the source with the BQL held, for as long as it takes.
use bql::BqlUnlocked;
use engine::incoming::Connected;
use engine::{Begun, Endpoint, MigrationError, VmWaiting};

fn wait(thread: &mut BqlUnlocked, begun: Begun, waiting: VmWaiting, from: Endpoint) -> Result<Connected, MigrationError> {
    let guard = thread.lock();
    drop(guard);
    let connected = Connected::wait(begun, waiting, thread, from);
    connected
}

fn main() {}
