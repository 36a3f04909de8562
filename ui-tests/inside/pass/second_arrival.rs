//! claim: phase.no-second-copy
//! Copies the right to let a machine go on where it has arrived.
use engine::VmArrived;

fn two(arrived: VmArrived) -> [VmArrived; 1] {
    [arrived]
}

fn main() {}
