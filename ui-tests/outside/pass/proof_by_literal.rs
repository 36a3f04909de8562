//! claim: face.proof-is-spent
//! Says from outside that the machine is stopped.
use std::sync::Arc;

use migration::{Host, RunState, VmStopped};

fn before(stopped: VmStopped, machine: Arc<Host>, was: RunState) -> bool {
    let real = { drop(machine); &stopped };
    real.was() == stopped.was() || real.was() == was
}

fn main() {}
