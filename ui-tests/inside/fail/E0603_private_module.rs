//! claim: inside.status-is-read-only
//! Takes a type of the engine from the module where its makers stand.
use engine::attempt::Cleaned; //~ E0603 attempt
use engine::MigrationState;

fn end(cleaned: Cleaned, state: &MigrationState, bql: &mut bql::BqlGuard<'_>) {
    cleaned.publish(state, bql);
}

fn main() {}
