//! claim: face.commands-may-release
//! Takes the registry, to list what is forbidden, where somebody may be reading it.
use migration::bql::BqlGuard;

fn call(bql: &mut BqlGuard<'_>) -> Vec<String> {
    migration::blocked_reasons(bql)
}

fn main() {}
