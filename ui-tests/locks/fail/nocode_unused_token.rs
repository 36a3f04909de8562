//! claim: lock.a-forgotten-token-is-noticed
//! Attaches and forgets to keep the token, so that the thread is not attached below.
#![deny(unused_must_use)]
use bql::{AttachError, BqlUnlocked};

fn main() -> Result<(), AttachError> {
    BqlUnlocked::attach()?; //~ nocode must
    Ok(())
}
