//! claim: face.shutdown-ends-it
//! Gives the right to shut down to two owners.
use migration::MigrationObject;

fn share(object: MigrationObject) -> (MigrationObject, MigrationObject) {
    (object, object) //~ E0382
}

fn main() {}
