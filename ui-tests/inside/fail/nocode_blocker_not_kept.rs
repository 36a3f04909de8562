//! claim: inside.handles-are-kept
//! Blocks migration and loses the handle, so that it is not blocked.
#![deny(unused_must_use)]
use engine::{Blocker, Registrations};

fn block(registrations: &mut Registrations, keep: fn(Blocker)) {
    registrations.add_blocker("a disk without migration"); //~ nocode
    let _ = keep;
}

fn main() {}
