//! claim: phase.starts-when-it-has-begun
//! Connects twice with the proof of one beginning.
use bql::BqlUnlocked;
use engine::outgoing::{Failed, Setup};
use engine::{Begun, Endpoint};

fn connect(thread: &mut BqlUnlocked, begun: [Begun; 2], to: [Endpoint; 2]) -> Result<Setup, Failed> {
    let [begun, another] = begun;
    let [first, second] = to;
    let setup = Setup::connect(begun, thread, first)?;
    drop((setup, another));
    Setup::connect(begun, thread, second) //~ E0382
}

fn main() {
    let _ = connect;
}
