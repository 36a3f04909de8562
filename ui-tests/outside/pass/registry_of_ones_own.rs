//! claim: face.handles-only-from-the-face
//! Makes a registry of its own, and with it a blocker that no migration looks at.
use migration::Blocker;

fn block(_registry: fn() -> Blocker) -> Option<Blocker> {
    None
}

fn main() {
    let _ = block;
}
