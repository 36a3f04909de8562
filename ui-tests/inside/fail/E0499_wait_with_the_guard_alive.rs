//! claim: inside.waiting-needs-no-lock
//! Waits for a migration with the BQL held, which that migration needs to end.
use std::time::Duration;

use bql::BqlUnlocked;
use engine::Observer;

fn wait(observer: &Observer, thread: &mut BqlUnlocked) {
    let guard = thread.lock();
    observer.wait(thread, Duration::from_secs(1), |status, _| status.is_terminal()); //~ E0499
    drop(guard);
}

fn main() {}
