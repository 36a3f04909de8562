//! claim: face.proof-is-spent
//! Says from outside that the machine is stopped.
use migration::{RunState, VmStopped};

fn before(stopped: VmStopped, was: RunState) -> bool {
    let forged = VmStopped { was }; //~ E0451 was
    forged.was() == stopped.was()
}

fn main() {}
