//! claim: phase.going-on-spends-the-proof
//! Lets a machine go on here that goes on at the destination.
use bql::BqlGuard;
use engine::VmStopped;

fn end(bql: &mut BqlGuard<'_>, stopped: VmStopped, moved: bool) {
    if moved { let _ = stopped.has_moved(bql); return; }
    if !moved { let _ = stopped.resume(bql); }
}

fn main() {}
