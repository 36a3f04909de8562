//! claim: phase.ends-are-not-lost
//! Completes and returns: the machine is never told that it has moved.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::outgoing::{NotCompleted, Switchover};

fn end(last: Switchover, thread: &mut BqlUnlocked) -> Result<(), NotCompleted> {
    last.complete(thread)?; //~ nocode
    Ok(())
}

fn main() {}
