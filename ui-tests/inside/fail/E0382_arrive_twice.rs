//! claim: phase.going-on-spends-the-proof
//! Lets a machine go on twice for one arrival.
use bql::BqlGuard;
use engine::VmArrived;

fn start(bql: &mut BqlGuard<'_>, arrived: VmArrived) {
    let _ = arrived.start(bql);
    let _ = arrived.start(bql); //~ E0382
}

fn main() {}
