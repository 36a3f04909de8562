//! claim: lock.tokens-are-not-forged
//! Makes a guard of what another function took.

use biglock::{Backend, Lock};
use bql::{Bql, BqlUnlocked};

type Held = <<Bql as Lock>::Backend as Backend>::Held;

fn enter(bql: &mut BqlUnlocked, held: Option<Held>) {
    drop((bql.try_lock(), held));
}

fn main() {}
