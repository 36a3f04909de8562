//! claim: phase.ends-are-not-lost
//! Takes what went wrong out of the way, and cleans up nothing.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::Setup;

fn give_up(setup: Setup, state: &MigrationState, thread: &mut BqlUnlocked) {
    let failed = setup.activate(state, thread).expect_err("nobody is there");
    let mut bql = thread.lock();
    failed.clean_up(state, &mut bql).publish(state, &mut bql);
}

fn main() {}
