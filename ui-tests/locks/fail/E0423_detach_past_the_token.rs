//! claim: lock.nobody-gets-past-the-tokens
//! Detaches its thread through the public constant, to attach a second time.

use biglock::{Backend, FromTokens, Lock};
use bql::Bql;

fn leave(proof: FromTokens) {
    Bql::LOCK.detach((FromTokens(()), proof).0); //~ E0423
}

fn main() {}
