//! claim: phase.keeps-its-object
//! Puts another object into a phase.
use std::mem;

use engine::Begun;
use engine::outgoing::Active;

fn swap(mut active: Active, mine: Begun, mut other: Begun) -> (Active, Begun) {
    mem::swap(&mut active.begun, &mut other); //~ E0616 begun
    (active, if true { mine } else { other })
}

fn main() {}
