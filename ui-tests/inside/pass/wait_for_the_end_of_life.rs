//! claim: inside.waiting-needs-no-lock
//! Waits with the BQL held for the thread that must take it to let the object go.
use std::time::Duration;

use bql::BqlGuard;
use engine::Life;

fn wait(life: &Life, bql: &mut BqlGuard<'_>) -> bool {
    bql.unlocked(|thread| life.wait_until_dropped(thread, Duration::from_secs(1)))
}

fn main() {}
