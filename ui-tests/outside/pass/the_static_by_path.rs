//! claim: face.one-private-global
//! Reads the one global by its path.
use migration::bql::BqlGuard;

fn exists(bql: &BqlGuard<'_>) -> bool {
    let _current = migration::life(bql);
    migration::is_running(bql)
}

fn main() {}
