//! claim: face.commands-may-release
//! Forbids migrations of one mode where somebody may be reading which are forbidden.
use migration::bql::BqlGuard;
use migration::{Blocker, CommandError};

fn call(bql: &BqlGuard<'_>, reason: &str) -> Result<Blocker, CommandError> {
    migration::add_blocker_normal(bql, reason) //~ E0308
}

fn main() {}
