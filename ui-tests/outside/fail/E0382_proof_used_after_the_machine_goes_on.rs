//! claim: face.proof-is-spent
//! Writes a machine that shows the proof of its stop to a device after it went on.
use machine::Vcpu;
use migration::bql::BqlGuard;
use migration::{Device, Vm, VmStopped};

fn resume(vcpu: &Vcpu, bql: &mut BqlGuard<'_>, stopped: VmStopped) -> u64 {
    vcpu.resume_after_failure(bql, stopped);
    vcpu.save(bql, &stopped).position //~ E0382
}

fn main() {}
