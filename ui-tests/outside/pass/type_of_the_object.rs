//! claim: face.nobody-outside-gets-the-object
//! Names the object's type, to write a function that keeps it.
use std::sync::Arc;

use migration::Observer;

fn keep(state: Arc<Observer>) {
    drop(state);
}

fn main() {}
