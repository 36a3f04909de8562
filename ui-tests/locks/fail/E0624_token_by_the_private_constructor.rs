//! claim: lock.tokens-are-not-forged
//! Calls the private constructor of the token.

use bql::{AttachError, BqlUnlocked};

fn main() -> Result<(), AttachError> {
    let first = BqlUnlocked::attach()?;
    let second = BqlUnlocked::with(None); //~ E0624 with
    drop((first, second));
    Ok(())
}
