//! claim: lock.tokens-are-not-forged
//! Writes a part of a guard down as a struct literal.

use std::marker::PhantomData;

use biglock::Access;
use bql::{Bql, BqlGuard};

fn forge<'g>(bql: &'g mut BqlGuard<'_>) -> Access<'g, Bql> {
    let (_, access) = bql.split();
    let _ = PhantomData::<()>; access
}

fn main() {}
