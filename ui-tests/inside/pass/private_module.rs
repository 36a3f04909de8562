//! claim: inside.status-is-read-only
//! Takes a type of the engine from the module where its makers stand.
use engine::Cleaned;

fn end(cleaned: Cleaned, bql: &mut bql::BqlGuard<'_>) {
    cleaned.publish(bql);
}

fn main() {}
