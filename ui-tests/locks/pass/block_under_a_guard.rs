//! claim: lock.blocking-needs-the-lock-let-go
//! Joins a thread, which may block, with the lock held.

use bql::BqlUnlocked;

/// May block, so it wants the token.
fn join(_thread: &mut BqlUnlocked) {}

fn shutdown(thread: &mut BqlUnlocked) {
    let guard = thread.lock();
    drop(guard);
    join(thread);
}

fn main() {}
