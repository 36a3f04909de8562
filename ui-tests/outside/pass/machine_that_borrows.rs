//! claim: face.machine-is-owned
//! Hands over a machine that may borrow from the function that ends.
use migration::{Host, Vm};

fn host<V: Vm + 'static>(vm: V) -> Host {
    Host::new("lastref", vm)
}

fn main() {}
