//! claim: phase.one-end
//! Copies the end, to publish it again later.
use bql::BqlGuard;
use engine::Cleaned;

fn end(cleaned: Cleaned, bql: &mut BqlGuard<'_>) {
    cleaned.clone().publish(bql); //~ E0599 clone Cleaned
    cleaned.publish(bql);
}

fn main() {}
