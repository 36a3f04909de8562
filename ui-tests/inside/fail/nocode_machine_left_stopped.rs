//! claim: phase.going-on-spends-the-proof
//! Drops the proof, and with it the only way to let the machine go on.
#![deny(unused_must_use)]
use bql::BqlGuard;
use engine::VmStopped;

fn forget(bql: &mut BqlGuard<'_>, stopped: fn() -> VmStopped) {
    stopped(); //~ nocode
    let _ = bql;
}

fn main() {}
