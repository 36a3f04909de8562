//! claim: lock.tokens-are-not-forged
//! Makes a token with `Default`.

use bql::BqlUnlocked;

fn main() {
    let token: BqlUnlocked = BqlUnlocked::default(); //~ E0599 default
    drop(token);
}
