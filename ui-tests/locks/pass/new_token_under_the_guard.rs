//! claim: lock.guard-borrows-the-token
//! Overwrites the token with a new one, so that the guard refers to it.

use bql::{AttachError, BqlUnlocked};

fn refresh(mut thread: BqlUnlocked) -> Result<(), AttachError> {
    let guard = thread.lock();
    drop(guard);
    thread = BqlUnlocked::attach()?;
    drop(thread);
    Ok(())
}

fn main() {}
