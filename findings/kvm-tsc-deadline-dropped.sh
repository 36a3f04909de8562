#!/usr/bin/env bash
# Question: a monitor restores a vCPU: it sets the MSR IA32_TSC_DEADLINE (0x6e0), and then the LAPIC. What
#   does KVM_SET_MSRS say if the LAPIC's timer is not in deadline mode yet, as after a reset?
# One would guess: that it set 0 of 1 MSRs, as for one that the vCPU does not have; or it keeps the value
#   until the LAPIC is set.
# What happens: it says that it set 1 of 1, and the MSR reads 0. With the LAPIC set first it reads what was
#   set.
# Why it matters: a guest that sleeps until its deadline never wakes at the destination, and every call
#   that moved it succeeded. MSRs are set before the LAPIC by who follows the order of the structures in
#   the kernel's header.
#
# kvm-ioctls 0.25.1 and kvm-bindings 0.14.2, a Rust compiler with cargo, and /dev/kvm on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
kvm-bindings = { version = "=0.14.2", features = ["fam-wrappers"] }
kvm-ioctls = "=0.25.1"

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use kvm_bindings::{kvm_msr_entry, Msrs, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::{Kvm, VcpuFd};

const IA32_TSC_DEADLINE: u32 = 0x6e0;
/// The register of the LAPIC's timer, and its bit for deadline mode.
const LVT_TIMER: usize = 0x320;
const DEADLINE_MODE: u32 = 1 << 18;
/// The spurious vector register, and its bit that turns the LAPIC on.
const SPURIOUS: usize = 0xf0;
const ENABLED: u32 = 1 << 8;

fn set_and_get(vcpu: &VcpuFd, value: u64) -> (usize, u64) {
    let entry = |data| kvm_msr_entry { index: IA32_TSC_DEADLINE, data, ..Default::default() };
    let set = vcpu.set_msrs(&Msrs::from_entries(&[entry(value)]).unwrap()).unwrap();
    let mut got = Msrs::from_entries(&[entry(0)]).unwrap();
    assert_eq!(vcpu.get_msrs(&mut got), Ok(1));
    (set, got.as_slice()[0].data)
}

fn main() {
    let kvm = Kvm::new().unwrap();
    let vm = kvm.create_vm().unwrap();
    vm.create_irq_chip().unwrap();
    let vcpu = vm.create_vcpu(0).unwrap();
    let mut cpuid = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).unwrap();
    // The deadline timer is not among what is supported, since it needs the irqchip.
    for leaf in cpuid.as_mut_slice().iter_mut().filter(|leaf| leaf.function == 1) {
        leaf.ecx |= 1 << 24;
    }
    vcpu.set_cpuid2(&cpuid).unwrap();
    let far = 1 << 60;

    let before = set_and_get(&vcpu, far);
    println!("before the LAPIC: {} of 1 set, it reads {:#x}", before.0, before.1);
    let mut lapic = vcpu.get_lapic().unwrap();
    for (register, bits) in [(SPURIOUS, ENABLED | 0xff), (LVT_TIMER, DEADLINE_MODE | 0x40)] {
        for (place, byte) in lapic.regs[register..].iter_mut().zip(bits.to_le_bytes()) {
            *place = byte as _;
        }
    }
    vcpu.set_lapic(&lapic).unwrap();
    let after = set_and_get(&vcpu, far);
    println!("after the LAPIC: {} of 1 set, it reads {:#x}", after.0, after.1);
    assert_eq!((before, after), ((1, 0), (1, far)));
}
RUST
cd "$folder"
cargo run --quiet
# Seen, on Linux 6.18:
#   before the LAPIC: 1 of 1 set, it reads 0x0
#   after the LAPIC: 1 of 1 set, it reads 0x1000000000000000
