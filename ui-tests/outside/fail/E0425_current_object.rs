//! claim: face.nobody-outside-gets-the-object
//! Calls QEMU's getter from outside.
use migration::Direction;
use migration::bql::BqlGuard;

fn status(bql: &BqlGuard<'_>) -> Option<&'static str> {
    migration::migrate_get_current(bql).map(|state| state.status(Direction::Outgoing).name()) //~ E0425 migrate_get_current
}

fn main() {}
