//! claim: face.dirty-log-has-one-reader
//! Keeps the dirty log that a machine took.
use std::io;
use std::sync::Arc;

use machine::{DirtyTracking, MachineError, Ram, VcpuState, running_machine};
use migration::RunState;

fn steal(ram: Arc<Ram>, mut log: DirtyTracking) -> Result<io::Result<()>, MachineError> {
    let read = log.take_written(&mut |_| ());
    let _machine = running_machine(ram, log, VcpuState::default(), RunState::Running)?;
    Ok(read)
}

fn main() {}
