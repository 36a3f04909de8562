//! claim: face.retired-is-given-back-without-the-lock
//! Gives the last count back with the BQL held; the machine may end there.
use migration::Retired;
use migration::bql::BqlGuard;

fn end(retired: Retired, bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| retired.give_back(thread));
}

fn main() {}
