//! claim: phase.sends-without-the-lock
//! Sends device state to the network with the BQL held.
use bql::BqlGuard;
use engine::outgoing::{Completed, NotCompleted, Switchover};

fn finish(last: Switchover, bql: &mut BqlGuard<'_>) -> Result<Completed, NotCompleted> {
    bql.unlocked(|thread| last.complete(thread))
}

fn main() {}
