//! claim: face.proof-is-spent
//! Says from outside that the machine is stopped.
use std::sync::Arc;

use migration::{Host, RunState, VmStopped};

fn before(stopped: VmStopped, machine: Arc<Host>, was: RunState) -> bool {
    let forged = VmStopped { machine, was }; //~ E0451 machine
    forged.was() == stopped.was()
}

fn main() {}
