//! claim: face.one-private-global
//! Reaches through the face for the inside.
use migration::engine::outgoing::Setup; //~ E0433 engine

fn name() -> &'static str {
    std::any::type_name::<Setup>()
}

fn main() {}
