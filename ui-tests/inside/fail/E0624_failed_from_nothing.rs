//! claim: phase.made-by-the-phase-before
//! Makes the bad end of a migration whose thread goes on.
use engine::outgoing::Failed;
use engine::{Begun, MigrationError};

fn end(real: Failed, begun: Begun, error: MigrationError) -> Failed {
    let _ = real;
    Failed::without_stream(begun, error) //~ E0624 without_stream
}

fn main() {}
