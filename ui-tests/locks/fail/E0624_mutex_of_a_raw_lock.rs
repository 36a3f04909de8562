//! claim: lock.nobody-gets-past-the-tokens
//! Locks the mutex below the tokens.

use biglock::lock_api::{Place, RawLock};

fn lock_past_the_tokens<M: Place, A>(lock: &'static RawLock<M, A>) {
    let _ = lock.mutex(); //~ E0624 mutex
}

fn main() {}
