//! claim: phase.ends-are-not-lost
//! Takes what went wrong out of the way, and cleans up nothing.
#![deny(unused_must_use)]
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::Setup;

fn give_up(setup: Setup, state: &MigrationState, thread: &mut BqlUnlocked) {
    setup.activate(state, thread).expect_err("nobody is there"); //~ nocode
}

fn main() {}
