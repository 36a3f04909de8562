//! claim: lock.read-ends-with-the-lock
//! Sends the reference to itself through a channel and receives it afterwards.

use std::sync::mpsc;

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn work(bql: &mut BqlGuard<'_>) -> Option<u32> {
    let (sender, receiver) = mpsc::channel();
    sender.send(*RUNS.borrow(bql)).ok()?;
    bql.unlocked(|_| ());
    receiver.recv().ok().as_ref().copied()
}

fn main() {}
