//! claim: phase.ends-are-not-lost
//! Cleans up and forgets to say so: the status stays `active` for ever.
#![deny(unused_must_use)]
use bql::BqlGuard;
use engine::outgoing::Failed;

fn end(failed: Failed, bql: &mut BqlGuard<'_>) {
    failed.clean_up(bql); //~ nocode
}

fn main() {}
