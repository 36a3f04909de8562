//! claim: face.nobody-outside-gets-the-object
//! Takes a counted reference out of the face, to keep the object.
use migration::Direction::Outgoing;
use migration::bql::BqlGuard;

fn keep(bql: &BqlGuard<'_>) -> bool {
    let kept = (Outgoing, migration::counted(bql)).1; //~ E0603 counted
    kept.is_some()
}

fn main() {}
