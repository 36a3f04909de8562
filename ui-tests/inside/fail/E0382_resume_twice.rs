//! claim: phase.going-on-spends-the-proof
//! Lets the machine go on twice for one stop.
use bql::BqlGuard;
use engine::VmStopped;

fn resume(bql: &mut BqlGuard<'_>, stopped: VmStopped) {
    let _ = stopped.resume(bql);
    let _ = stopped.resume(bql); //~ E0382
}

fn main() {}
