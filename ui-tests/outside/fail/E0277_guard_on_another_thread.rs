//! claim: face.off-lock-threads-observe
//! Asks with the guard of another thread, as a vCPU thread without the BQL might.
use migration::Direction;
use migration::bql::BqlGuard;

fn in_scope<'a, F: FnOnce() -> bool + Send + 'a>(_: F) {}

fn vcpu(bql: &BqlGuard<'_>) {
    in_scope(move || (Direction::Outgoing, migration::is_running(bql)).1); //~ E0277 shared
}

fn main() {}
