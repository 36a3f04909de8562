//! claim: face.off-lock-threads-observe
//! Asks with the guard of another thread, as a vCPU thread without the BQL might.
use migration::Direction;
use migration::bql::BqlGuard;

fn in_scope<'a, F: FnOnce() -> bool + Send + 'a>(_: F) {}

fn vcpu(bql: &BqlGuard<'_>) {
    let observer = migration::observer(bql, Direction::Outgoing);
    in_scope(move || observer.is_some_and(|observer| observer.is_running()));
}

fn main() {}
