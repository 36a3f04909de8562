//! claim: phase.moving-on-consumes
//! Sends the head of the stream twice over one connection.
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Active, Failed, Setup};

fn start(setup: Setup, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Active, Failed> {
    let _first = setup.activate(state, thread)?;
    setup.activate(state, thread) //~ E0382
}

fn main() {}
