//! claim: face.nobody-outside-gets-the-object
//! Takes a counted reference out of the face, to keep the object.
use migration::Direction::Outgoing;
use migration::bql::BqlGuard;

fn keep(bql: &BqlGuard<'_>) -> bool {
    let kept = migration::observer(bql, Outgoing);
    kept.is_some()
}

fn main() {}
