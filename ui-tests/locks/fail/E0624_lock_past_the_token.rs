//! claim: lock.nobody-gets-past-the-tokens
//! Takes the raw lock through the public constant, with the proof that the tokens use.

use biglock::{Backend, FromTokens, Lock};
use bql::Bql;

fn enter(proof: FromTokens) {
    let proof = (FromTokens::NEW, proof).0; //~ E0624 NEW
    drop(Bql::LOCK.lock(proof));
}

fn main() {}
