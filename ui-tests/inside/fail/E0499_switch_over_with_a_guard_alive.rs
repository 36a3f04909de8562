//! claim: phase.sends-without-the-lock
//! Keeps a guard for later while the next phase takes the BQL itself: a deadlock in C.
use bql::BqlUnlocked;
use engine::outgoing::{Converged, Failed, Switchover};

fn go(ready: Converged, thread: &mut BqlUnlocked) -> Result<Switchover, Failed> {
    let guard = thread.lock();
    let last = ready.switch_over(thread); //~ E0499
    drop(guard);
    last
}

fn main() {}
