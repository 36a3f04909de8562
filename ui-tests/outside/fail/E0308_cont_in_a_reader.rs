//! claim: face.commands-may-release
//! Lets a machine go on under a reader further up.
use migration::CommandError;
use migration::bql::BqlGuard;

fn go_on(bql: &BqlGuard<'_>) -> Result<(), CommandError> {
    migration::cont(bql) //~ E0308
}

fn main() {}
