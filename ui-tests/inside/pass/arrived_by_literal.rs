//! claim: phase.made-by-the-phase-before
//! Says that a machine has arrived of which nothing was sent.
use bql::BqlGuard;
use engine::incoming::Arrived;
use engine::{Cleaned, MigrationState, RunState};

fn end(real: Arrived, state: &MigrationState, bql: &mut BqlGuard<'_>) -> Cleaned {
    let _ = RunState::Running;
    real.clean_up(state, bql)
}

fn main() {}
