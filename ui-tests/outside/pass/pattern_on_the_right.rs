//! claim: face.nobody-outside-gets-the-object
//! Takes the right to shut down apart with a pattern.
use migration::MigrationObject;

fn open(object: MigrationObject) {
    let publication = object;
    drop(publication);
}

fn main() {}
