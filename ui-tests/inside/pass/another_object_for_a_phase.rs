//! claim: phase.keeps-its-object
//! Puts another object into a phase.
use std::mem;

use engine::Begun;
use engine::outgoing::Active;

fn swap(active: Active, mut mine: Begun, mut other: Begun) -> (Active, Begun) {
    mem::swap(&mut mine, &mut other);
    (active, if true { mine } else { other })
}

fn main() {}
