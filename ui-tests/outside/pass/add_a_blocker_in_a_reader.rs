//! claim: face.commands-may-release
//! Forbids migrations where somebody may be reading which are forbidden.
use migration::bql::BqlGuard;
use migration::{Blocker, CommandError};

fn call(bql: &mut BqlGuard<'_>, reason: &str) -> Result<Blocker, CommandError> {
    migration::add_blocker(bql, reason)
}

fn main() {}
