//! claim: inside.status-is-read-only
//! Takes a type of the engine from the module where its makers stand.
use engine::attempt::Cleaned; //~ E0603 attempt

fn end(cleaned: Cleaned, bql: &mut bql::BqlGuard<'_>) {
    cleaned.publish(bql);
}

fn main() {}
