//! claim: phase.going-on-spends-the-proof
//! Lets a machine go on here that goes on at the destination.
use bql::BqlGuard;
use engine::VmStopped;

fn end(bql: &mut BqlGuard<'_>, stopped: VmStopped, moved: bool) {
    let _ = stopped.has_moved(bql);
    if !moved { let _ = stopped.resume(bql); } //~ E0382
}

fn main() {}
