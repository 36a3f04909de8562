//! claim: face.nobody-outside-gets-the-object
//! Calls QEMU's getter from outside.
use migration::Direction;
use migration::bql::BqlGuard;

fn status(bql: &BqlGuard<'_>) -> Option<&'static str> {
    migration::observer(bql, Direction::Outgoing).map(|state| state.status().name())
}

fn main() {}
