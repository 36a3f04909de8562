//! claim: lock.tokens-are-not-forged
//! Makes a token with `Default`.

use bql::BqlUnlocked;

fn main() {
    let Ok(token) = BqlUnlocked::attach() else { return };
    drop(token);
}
