//! claim: face.commands-may-release
//! Cancels in a function that promises to keep the BQL.
use migration::Direction;
use migration::bql::BqlGuard;

fn refuse(bql: &mut BqlGuard<'_>) {
    migration::cancel(bql, Direction::Outgoing);
}

fn main() {}
