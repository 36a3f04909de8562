//! claim: face.shutdown-ends-it
//! Gives the right to shut down to two owners.
use migration::MigrationObject;

fn share(object: MigrationObject, other: MigrationObject) -> (MigrationObject, MigrationObject) {
    (object, other)
}

fn main() {}
