//! claim: phase.made-by-the-phase-before
//! Makes the good end of a migration that never ran.
use engine::outgoing::Completed;
use engine::{Begun, VmStopped};

fn end(begun: Begun, stopped: VmStopped) -> Completed {
    Completed::new(begun, stopped) //~ E0624 new
}

fn main() {}
