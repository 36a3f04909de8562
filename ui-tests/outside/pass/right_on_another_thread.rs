//! claim: face.one-right-to-shut-down
//! Gives the right to shut down to another thread than the one that made the object.
use migration::bql::BqlUnlocked;
use migration::{MigrationObject, Retired};

fn spawn<T: Send + 'static>(_: T, _: fn(T)) {}

fn end(object: MigrationObject, thread: &mut BqlUnlocked) {
    let retired: Retired = migration::shutdown(object, &mut thread.lock());
    spawn(retired, |object| drop(object));
}

fn main() {}
