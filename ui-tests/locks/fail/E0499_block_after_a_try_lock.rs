//! claim: lock.blocking-needs-the-lock-let-go
//! Blocks while what it tried may be held.

use bql::BqlUnlocked;

fn wait_for(_thread: &mut BqlUnlocked) {}

fn try_and_wait(thread: &mut BqlUnlocked) {
    let held = thread.try_lock();
    wait_for(thread); //~ E0499
    drop(held);
}

fn main() {}
