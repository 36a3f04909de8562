//! claim: lock.backend-is-unsafe
//! Writes a lock that threads cannot share.

use std::cell::Cell;

use biglock::{AttachError, Backend, FromTokens};

struct Mine(Cell<bool>);
unsafe impl Backend for Mine { //~ E0277 Cell
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
