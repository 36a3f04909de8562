//! claim: lock.tokens-stay-on-their-thread
//! Moves a part of a guard to another thread.

use bql::BqlGuard;

fn require_send<T: Send>(_: T) {}

fn give(bql: &mut BqlGuard<'_>) {
    let (holding, access) = bql.split();
    require_send(());
    drop((holding, access));
}

fn main() {}
