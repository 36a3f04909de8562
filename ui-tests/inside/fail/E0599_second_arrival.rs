//! claim: phase.no-second-copy
//! Copies the right to let a machine go on where it has arrived.
use engine::VmArrived;

fn two(arrived: VmArrived) -> [VmArrived; 2] {
    [arrived.clone(), arrived] //~ E0599 clone VmArrived
}

fn main() {}
