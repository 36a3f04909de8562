//! claim: phase.a-right-is-one-machines
//! Lets a machine go on by its hook, without a right.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Host, VmArrived};

fn start(machine: &Arc<Host>, bql: &mut BqlGuard<'_>, arrived: VmArrived) {
    machine.vm.has_arrived(bql, &arrived); //~ E0616 vm
}

fn main() {}
