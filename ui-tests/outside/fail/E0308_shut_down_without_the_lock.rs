//! claim: face.shutdown-has-the-lock-alone
//! Shuts down while a reader on another thread is looking at the object.
use migration::bql::BqlUnlocked;
use migration::{MigrationObject, Retired};

fn end(object: MigrationObject, thread: &mut BqlUnlocked) -> Retired {
    migration::shutdown(object, thread) //~ E0308
}

fn main() {}
