//! claim: phase.made-by-the-phase-before
//! Says that a machine has arrived of which nothing was sent.
use bql::BqlGuard;
use engine::incoming::Arrived;
use engine::{Begun, Cleaned, VmArrived};

fn end(real: Arrived, begun: Begun, arrived: VmArrived, bql: &mut BqlGuard<'_>) -> Cleaned {
    Arrived { begun, arrived, ..real }.clean_up(bql) //~ E0451 begun
}

fn main() {}
