//! claim: face.retired-only-drops
//! Lets the object be destroyed wherever shutdown was called, with the BQL held.
#![deny(unused_must_use)]
use migration::MigrationObject;
use migration::bql::BqlUnlocked;

fn end(object: MigrationObject, thread: &mut BqlUnlocked) {
    let mut bql = thread.lock();
    let retired = migration::shutdown(object, &mut bql);
    drop((bql, retired));
}

fn main() {}
