//! claim: phase.made-by-the-phase-before
//! Makes the bad end of a migration whose thread goes on.
use engine::MigrationError;
use engine::outgoing::Failed;

fn end(real: Failed, error: MigrationError) -> Failed {
    let _ = error;
    real
}

fn main() {}
