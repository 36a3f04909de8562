//! claim: inside.handles-come-from-a-registry
//! Copies a blocker's handle: dropping it would no longer lift the blocker.
use engine::{Blocker, Registrations};

fn two(registrations: &mut Registrations, first: Blocker) -> [Blocker; 2] {
    let second = registrations.add_blocker(first.reason());
    [first, second]
}

fn main() {}
