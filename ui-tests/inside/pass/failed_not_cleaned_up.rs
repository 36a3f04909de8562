//! claim: phase.ends-are-not-lost
//! Takes what went wrong out of the way, and cleans up nothing.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::outgoing::Setup;

fn give_up(setup: Setup, thread: &mut BqlUnlocked) {
    let failed = setup.activate(thread).expect_err("nobody is there");
    let mut bql = thread.lock();
    failed.clean_up(&mut bql).publish(&mut bql);
}

fn main() {}
