//! claim: phase.made-by-the-phase-before
//! Writes the good end down as a literal.
use engine::outgoing::Completed;
use engine::{Begun, VmStopped};

fn end(begun: Begun, stopped: VmStopped, real: Completed) -> Completed {
    let _ = &real;
    Completed { begun, stopped } //~ E0451 begun
}

fn main() {}
