//! claim: phase.no-second-copy
//! Takes a phase out of its place and leaves an empty one that can be moved on from again.
use engine::outgoing::Switchover;

fn take<T: Default>(place: &mut T) -> T {
    std::mem::take(place)
}

fn steal(place: &mut Switchover) -> Switchover {
    take(place) //~ E0277 Switchover
}

fn main() {}
