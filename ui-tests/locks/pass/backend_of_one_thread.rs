//! claim: lock.backend-is-unsafe
//! Writes a lock that threads cannot share.

use std::cell::Cell;

use biglock::{AttachError, Backend, FromTokens};

struct Mine(std::sync::Mutex<bool>);
unsafe impl Backend for Mine {
    type Held = ();
    fn lock(&'static self, _: FromTokens) {}
    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        Ok(())
    }
    fn detach(&'static self, _: FromTokens) {}
}

fn main() {
    let _unused: Option<Cell<bool>> = None;
}
