//! claim: lock.nobody-gets-past-the-tokens
//! Takes the raw lock through the public constant, with the proof that the tokens use.

use biglock::{Backend, FromTokens, Lock};
use bql::Bql;

fn enter(proof: FromTokens) {
    drop(Bql::LOCK.lock(proof));
}

fn main() {}
