//! claim: lock.nobody-gets-past-the-tokens
//! Reaches what the backend knows of its threads, to give a token back that is in use.

use biglock::{Backend, FromTokens, Lock};
use bql::Bql;

fn enter(proof: FromTokens) {
    drop((&Bql::LOCK.attached, Bql::LOCK.lock(proof))); //~ E0616 attached
}

fn main() {}
