//! claim: face.retired-only-drops
//! Opens what shutdown gave back, to go on with the object.
use migration::bql::BqlGuard;
use migration::{MigrationObject, Retired};

fn after(object: MigrationObject, bql: &mut BqlGuard<'_>) {
    let retired: Retired = migration::shutdown(object, bql);
    let _object = &retired.state; //~ E0616 state Retired
}

fn main() {}
