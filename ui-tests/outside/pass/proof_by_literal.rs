//! claim: face.proof-is-spent
//! Says from outside that the machine is stopped.
use migration::{RunState, VmStopped};

fn before(stopped: VmStopped, was: RunState) -> bool {
    let real = stopped;
    real.was() == was
}

fn main() {}
