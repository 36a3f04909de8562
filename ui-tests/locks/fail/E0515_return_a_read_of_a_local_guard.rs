//! claim: lock.read-ends-with-the-lock
//! Locks inside a getter and returns the reference.

use bql::{BqlGuarded, BqlUnlocked};

static NAME: BqlGuarded<String> = BqlGuarded::new(String::new());

fn name(thread: &mut BqlUnlocked) -> &str {
    let guard = thread.lock();
    NAME.borrow(&guard) //~ E0515
}

fn main() {}
