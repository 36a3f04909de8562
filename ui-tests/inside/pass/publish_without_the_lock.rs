//! claim: phase.ends-happen-under-the-lock
//! Publishes the end beside a command that looks whether a migration runs.
use bql::BqlUnlocked;
use engine::Cleaned;

fn end(cleaned: Cleaned, thread: &mut BqlUnlocked) {
    cleaned.publish(&mut thread.lock());
}

fn main() {}
