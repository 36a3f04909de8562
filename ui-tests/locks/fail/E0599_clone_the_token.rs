//! claim: lock.tokens-are-not-duplicated
//! Clones the token.

use bql::{AttachError, BqlUnlocked};

fn main() -> Result<(), AttachError> {
    let first = BqlUnlocked::attach()?;
    let mut second = first.clone(); //~ E0599 clone
    drop(second.lock());
    Ok(())
}
