//! claim: lock.many-end-with-the-lock
//! Drops the guard, and so releases the lock, while two values are written at once.

use bql::{BqlGuarded, BqlUnlocked};

static NAME: BqlGuarded<String> = BqlGuarded::new(String::new());
static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn late(thread: &mut BqlUnlocked) {
    let mut bql = thread.lock();
    let (name, runs) = bql.borrow_many_mut((&NAME, &RUNS)).unwrap();
    name.push_str(&runs.to_string());
    drop(bql);
}

fn main() {}
