//! claim: face.machine-state-under-the-lock
//! Reads the state of a vCPU while it runs.
use machine::{Vcpu, VcpuState};
use migration::bql::BqlUnlocked;

fn position(vcpu: &Vcpu, thread: &mut BqlUnlocked) -> VcpuState {
    vcpu.state(thread) //~ E0308
}

fn main() {}
