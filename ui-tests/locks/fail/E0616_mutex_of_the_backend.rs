//! claim: lock.nobody-gets-past-the-tokens
//! Locks the mutex inside the backend by its private field.

use biglock::{Backend, FromTokens, Lock};
use bql::Bql;

fn enter(proof: FromTokens) {
    drop((Bql::LOCK.mutex.lock(), proof)); //~ E0616 mutex
}

fn main() {}
