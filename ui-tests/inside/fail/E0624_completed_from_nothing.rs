//! claim: phase.made-by-the-phase-before
//! Makes the good end of a migration that never ran.
use engine::outgoing::Completed;
use engine::{MigrationState, VmStopped};

fn end(stopped: VmStopped, _state: &MigrationState) -> Completed {
    Completed::new(stopped) //~ E0624 new
}

fn main() {}
