//! claim: lock.nobody-gets-past-the-tokens
//! Takes the lock below a trace, so that the trace does not see it.

use biglock::trace::Traced;
use biglock::{Backend, FromTokens, StdMutex};

fn enter(traced: &'static Traced<StdMutex>, proof: FromTokens) {
    drop(traced.lock(proof));
}

fn main() {}
