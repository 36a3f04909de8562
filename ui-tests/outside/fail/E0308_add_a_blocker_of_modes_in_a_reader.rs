//! claim: face.commands-may-release
//! Forbids migrations of some modes where somebody may be reading which are forbidden.
use migration::bql::BqlGuard;
use migration::{Blocker, CommandError, MigModes};

fn call(bql: &BqlGuard<'_>, modes: MigModes, reason: &str) -> Result<Blocker, CommandError> {
    migration::add_blocker_modes(bql, modes, reason) //~ E0308
}

fn main() {}
