//! claim: inside.handles-are-kept
//! Blocks migration and loses the handle, so that it is not blocked.
#![deny(unused_must_use)]
use engine::{Blocker, Registrations};

fn block(registrations: &mut Registrations, keep: fn(Blocker)) {
    keep(registrations.add_blocker("a disk without migration"));
}

fn main() {}
