//! claim: phase.saving-needs-a-stopped-machine
//! Puts a state into a device of a machine that may run.
use bql::BqlGuard;
use engine::{Device, RestoreError, VmWaiting};

fn restore<D: Device>(device: &D, bql: &mut BqlGuard<'_>, state: D::State, _waiting: &VmWaiting) -> Result<(), RestoreError> {
    device.restore(bql, state, _waiting)
}

fn main() {}
