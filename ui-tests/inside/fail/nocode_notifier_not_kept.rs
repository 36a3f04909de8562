//! claim: inside.handles-are-kept
//! Registers a notifier and loses the handle, so that it is never called.
#![deny(unused_must_use)]
use engine::{Notifier, Registrations};

fn add(registrations: &mut Registrations, keep: fn(Notifier)) {
    registrations.add_notifier(|_, _| Ok(())); //~ nocode
    let _ = keep;
}

fn main() {}
