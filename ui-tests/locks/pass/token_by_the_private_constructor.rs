//! claim: lock.tokens-are-not-forged
//! Calls the private constructor of the token.

use bql::{AttachError, BqlUnlocked};

fn main() -> Result<(), AttachError> {
    let first = BqlUnlocked::attach()?;
    let second = None::<BqlUnlocked>;
    drop((first, second));
    Ok(())
}
