//! claim: lock.tokens-are-not-forged
//! Writes a token down as a struct literal.

use bql::BqlUnlocked;

fn forge() -> Option<BqlUnlocked> {
    Some(BqlUnlocked {}) //~ nocode private
}

fn main() {}
