//! claim: face.handles-only-from-the-face
//! Makes a registry of its own, and with it a blocker that no migration looks at.
use migration::Registrations; //~ E0603 Registrations
use migration::Blocker;

fn block(_registry: fn() -> Registrations) -> Option<Blocker> {
    None
}

fn main() {
    let _ = block;
}
