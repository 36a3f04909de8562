//! claim: phase.moving-on-consumes
//! Sends the head of the stream twice over one connection.
use bql::BqlUnlocked;
use engine::outgoing::{Active, Failed, Setup};

fn start(setup: Setup, thread: &mut BqlUnlocked) -> Result<Active, Failed> {
    let _first = setup.activate(thread)?;
    setup.activate(thread) //~ E0382
}

fn main() {}
