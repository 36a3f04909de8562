//! claim: phase.ends-happen-under-the-lock
//! Cleans up on a thread without the BQL; notifiers and the machine need it.
use bql::BqlUnlocked;
use engine::outgoing::Failed;
use engine::Cleaned;

fn end(failed: Failed, thread: &mut BqlUnlocked) -> Cleaned {
    failed.clean_up(thread) //~ E0308
}

fn main() {}
