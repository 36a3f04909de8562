//! claim: face.commands-may-release
//! Changes what is forbidden where somebody may be reading it.
use migration::bql::BqlGuard;

fn call(bql: &mut BqlGuard<'_>, only: bool) {
    migration::set_only_migratable(bql, only);
}

fn main() {}
