//! claim: phase.one-end
//! Publishes one end twice: the second one may hit the next migration.
use bql::BqlGuard;
use engine::Cleaned;

fn end(cleaned: Cleaned, bql: &mut BqlGuard<'_>) {
    cleaned.publish(bql);
    cleaned.publish(bql); //~ E0382
}

fn main() {}
