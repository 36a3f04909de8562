//! claim: face.handles-have-no-rights
//! Makes a second machine of a vCPU that has one.
use machine::Vcpu;
use migration::Host;

fn second(vcpu: &Vcpu) -> Host {
    Host::new("lastref", { drop(vcpu.clone()); machine::NoVm::new(migration::RunState::Paused) })
}

fn main() {}
