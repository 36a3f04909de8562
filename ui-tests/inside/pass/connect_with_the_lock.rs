//! claim: phase.sends-without-the-lock
//! Connects with the BQL held: nobody else runs until the peer answers.
use bql::BqlGuard;
use engine::outgoing::{Failed, Setup};
use engine::{Begun, Endpoint};

fn connect(bql: &mut BqlGuard<'_>, begun: Begun, to: Endpoint) -> Result<Setup, Failed> {
    bql.unlocked(|thread| Setup::connect(begun, thread, to))
}

fn main() {}
