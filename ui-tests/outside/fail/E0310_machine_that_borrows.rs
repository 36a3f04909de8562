//! claim: face.machine-is-owned
//! Hands over a machine that may borrow from the function that ends.
use std::sync::Arc;

use migration::{Host, Vm};

fn host<V: Vm>(vm: V) -> Host {
    Host::new("lastref", Arc::new(vm)) //~ E0310
}

fn main() {}
