//! claim: face.commands-may-release
//! Lets a machine go on under a reader further up.
use migration::CommandError;
use migration::bql::BqlGuard;

fn go_on(bql: &mut BqlGuard<'_>) -> Result<(), CommandError> {
    migration::cont(bql)
}

fn main() {}
