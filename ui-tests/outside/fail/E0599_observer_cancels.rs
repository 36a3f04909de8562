//! claim: face.observer-only-reads
//! Stops a migration with the handle that was given out for watching it.
use migration::bql::BqlGuard;
use migration::{Direction, Observer};

fn stop(observer: &Observer, bql: &mut BqlGuard<'_>) {
    observer.cancel(); //~ E0599 cancel
    let _ = (bql, Direction::Outgoing);
}

fn main() {}
