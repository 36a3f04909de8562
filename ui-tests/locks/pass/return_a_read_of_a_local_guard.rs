//! claim: lock.read-ends-with-the-lock
//! Locks inside a getter and returns the reference.

use bql::{BqlGuarded, BqlUnlocked};

static NAME: BqlGuarded<String> = BqlGuarded::new(String::new());

fn name(thread: &mut BqlUnlocked) -> String {
    let guard = thread.lock();
    NAME.borrow(&guard).clone()
}

fn main() {}
