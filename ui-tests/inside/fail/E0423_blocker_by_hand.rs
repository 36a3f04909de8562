//! claim: inside.handles-come-from-a-registry
//! Makes a blocker that nobody registered and that blocks nothing.
use std::sync::Arc;

use engine::{Blocker, Registrations};

fn block(registrations: &mut Registrations, reason: Arc<str>) -> Blocker {
    let _ = registrations;
    Blocker(reason) //~ E0423
}

fn main() {}
