//! claim: phase.made-by-the-phase-before
//! Makes a phase out of nothing.
use engine::outgoing::Active;

fn begin(phase: Active) -> Active {
    let _ = phase;
    Active::default() //~ E0599 default Active
}

fn main() {}
