//! claim: face.commands-may-release
//! Takes the registry, to list what is forbidden, where somebody may be reading it.
use migration::bql::BqlGuard;

fn call(bql: &BqlGuard<'_>) -> Vec<String> {
    migration::blocked_reasons(bql) //~ E0308
}

fn main() {}
