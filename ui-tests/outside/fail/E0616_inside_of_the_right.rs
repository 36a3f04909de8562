//! claim: face.nobody-outside-gets-the-object
//! Opens the right to shut down, to retire the object without cancelling what it does.
use migration::bql::BqlGuard;
use migration::{MigrationObject, Retired};

fn take(object: MigrationObject, end: fn(MigrationObject, &mut BqlGuard<'_>) -> Retired) {
    let _publication = object.0; //~ E0616 MigrationObject
    let _ = end;
}

fn main() {}
