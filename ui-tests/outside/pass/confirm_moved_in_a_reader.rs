//! claim: face.commands-may-release
//! Gives the machine up for good under a reader further up.
use migration::CommandError;
use migration::bql::BqlGuard;

fn call(bql: &mut BqlGuard<'_>) -> Result<(), CommandError> {
    migration::confirm_moved(bql)
}

fn main() {}
