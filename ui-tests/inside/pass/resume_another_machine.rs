//! claim: phase.a-right-is-one-machines
//! Lets another machine go on than the one that was stopped.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Host, VmStopped};

fn resume(other: &Arc<Host>, bql: &mut BqlGuard<'_>, stopped: VmStopped) {
    let _ = (other, stopped.resume(bql));
}

fn main() {}
