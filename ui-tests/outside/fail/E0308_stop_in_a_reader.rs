//! claim: face.machine-state-under-the-lock
//! Stops a vCPU where the BQL may not be released, and so waits for ever.
use machine::Vcpu;
use migration::bql::BqlGuard;

fn stop(vcpu: &Vcpu, bql: &BqlGuard<'_>) {
    vcpu.stop(bql); //~ E0308
}

fn main() {}
