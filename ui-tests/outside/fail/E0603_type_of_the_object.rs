//! claim: face.nobody-outside-gets-the-object
//! Names the object's type, to write a function that keeps it.
use std::sync::Arc;

use migration::MigrationState; //~ E0603 MigrationState

fn keep(state: Arc<MigrationState>) {
    drop(state);
}

fn main() {}
