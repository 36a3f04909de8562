//! claim: inside.hooks-keep-nothing
//! Takes the right that a hook was lent, to let the machine go on a second time.
use bql::BqlGuard;
use engine::VmArrived;

fn has_arrived(bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
    let _ = (*arrived).start(bql); //~ E0507
}

fn main() {}
