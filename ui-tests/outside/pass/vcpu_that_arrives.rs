//! claim: face.handles-have-no-rights
//! Lets a machine run by a handle of its vCPU, while a migration saves it.
use machine::Vcpu;
use migration::VmArrived;
use migration::bql::BqlGuard;

fn start(vcpu: &Vcpu, bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
    let _ = (arrived, vcpu.cont(bql));
}

fn main() {}
