//! claim: phase.made-by-the-phase-before
//! Makes a phase out of nothing.
use engine::outgoing::Active;

fn begin(phase: Active) -> Active {
    phase
}

fn main() {}
