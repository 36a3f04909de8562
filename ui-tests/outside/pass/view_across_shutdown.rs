//! claim: face.no-read-across-a-command
//! Keeps a view of BQL-guarded data across shutdown.
use migration::MigrationObject;
use migration::bql::{BqlGuard, BqlGuarded};

fn end(names: &BqlGuarded<String>, object: MigrationObject, bql: &mut BqlGuard<'_>) -> usize {
    let view = names.borrow(bql);
    let length = view.len();
    drop(migration::shutdown(object, bql));
    length
}

fn main() {}
