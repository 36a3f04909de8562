//! claim: face.handles-have-no-rights
//! Makes a second machine of a vCPU that has one.
use machine::Vcpu;
use migration::Host;

fn second(vcpu: &Vcpu) -> Host {
    Host::new("lastref", vcpu.clone()) //~ E0277 Vcpu
}

fn main() {}
