//! claim: lock.no-guard-leaves-the-closure
//! Returns the token that it was lent inside `unlocked`.

use bql::{BqlGuard, BqlUnlocked};

fn send(_thread: &mut BqlUnlocked) {}

fn escape(bql: &mut BqlGuard<'_>) {
    send(bql.unlocked(|thread| thread)); //~ nocode
}

fn main() {}
