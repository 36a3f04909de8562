//! claim: lock.guard-borrows-the-token
//! Declares the guard before the token, so that it would be dropped after it.

use bql::{AttachError, BqlGuard, BqlUnlocked};

fn main() -> Result<(), AttachError> {
    let mut thread = BqlUnlocked::attach()?;
    let mut held: Option<BqlGuard<'_>> = None;
    held.replace(thread.lock());
    Ok(())
}
