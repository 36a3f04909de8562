//! claim: face.commands-may-release
//! Lets a migration fail under a reader further up.
use migration::bql::BqlGuard;

fn call(bql: &BqlGuard<'_>, error: String) -> Result<(), String> {
    migration::file_set_error(bql, error) //~ E0308
}

fn main() {}
