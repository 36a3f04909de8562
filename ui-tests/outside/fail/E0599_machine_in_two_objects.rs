//! claim: face.machine-is-owned
//! Hands one machine to two migration objects, which stop it and let it go on past each other.
use migration::Host;
use migration::bql::BqlGuard;

fn twice(bql: &mut BqlGuard<'_>, host: Host) -> bool {
    let copy = host.clone(); //~ E0599 clone Host
    let first = migration::object_init(bql, host);
    first.is_ok() && migration::object_init(bql, copy).is_ok()
}

fn main() {
    let _ = twice;
}
