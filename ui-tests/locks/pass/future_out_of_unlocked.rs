//! claim: lock.no-guard-leaves-the-closure
//! Returns a future from `unlocked` that goes on using the token.

use bql::{BqlGuard, BqlUnlocked};

async fn send(_thread: &mut BqlUnlocked) {}

fn escape(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| drop(send(thread)));
}

fn main() {}
