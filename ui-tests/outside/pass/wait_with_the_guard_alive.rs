//! claim: face.watching-blocks-without-the-lock
//! Waits for the end of a migration with the BQL held; the migration thread needs it to end.
use std::time::Duration;

use migration::Observer;
use migration::bql::BqlUnlocked;

fn wait(observer: &Observer, thread: &mut BqlUnlocked) {
    let bql = thread.lock();
    if migration::is_running(&bql) {
        drop(bql);
        observer.wait(thread, Duration::MAX, |status, _| status.is_terminal());
    }
}

fn main() {}
