//! claim: lock.tokens-stay-on-their-thread
//! Lends the token to a scoped thread.

use bql::{AttachError, BqlUnlocked};

fn require_send<T: Send>(_: T) {}

fn main() -> Result<(), AttachError> {
    let thread = BqlUnlocked::attach()?;
    require_send(&thread); //~ E0277 shared
    drop(thread);
    Ok(())
}
