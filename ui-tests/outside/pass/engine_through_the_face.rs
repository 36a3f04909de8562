//! claim: face.one-private-global
//! Reaches through the face for the inside.
use migration::Observer;

fn name() -> &'static str {
    std::any::type_name::<Observer>()
}

fn main() {}
