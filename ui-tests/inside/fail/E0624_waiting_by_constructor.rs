//! claim: phase.only-the-engine-stops
//! Says that a machine waits for its state, so that memory may be replaced.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Host, MigrationError, VmWaiting};

fn waits(machine: &Arc<Host>, bql: &BqlGuard<'_>, _real: VmWaiting) -> Result<VmWaiting, MigrationError> {
    VmWaiting::of(machine, bql) //~ E0624 of
}

fn main() {}
