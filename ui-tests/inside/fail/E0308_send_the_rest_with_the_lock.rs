//! claim: phase.sends-without-the-lock
//! Sends device state to the network with the BQL held.
use bql::BqlGuard;
use engine::MigrationState;
use engine::outgoing::{Completed, Failed, Switchover};

fn finish(last: Switchover, state: &MigrationState, bql: &mut BqlGuard<'_>) -> Result<Completed, Failed> {
    last.complete(state, bql) //~ E0308
}

fn main() {}
