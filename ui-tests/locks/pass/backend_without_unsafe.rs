//! claim: lock.backend-is-unsafe
//! Writes a lock that never excludes, without taking the duties on.

use biglock::{AttachError, Backend, FromTokens};

struct Nothing;
unsafe impl Backend for Nothing {
    type Held = ();
    fn lock(&'static self, _: FromTokens) {}
    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        Ok(())
    }
    fn detach(&'static self, _: FromTokens) {}
}

fn main() {}
