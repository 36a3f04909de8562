//! claim: phase.made-by-the-phase-before
//! Writes the good end down as a literal.
use engine::VmStopped;
use engine::outgoing::Completed;

fn end(stopped: VmStopped, real: Completed) -> Completed {
    let _ = &real;
    let _ = stopped;
    real
}

fn main() {}
