//! The VM: its memory slots, its interrupt controllers, and what KVM can do.

use std::io;
use std::sync::Arc;

use kvm_bindings::{
    CpuId, KVM_MAX_CPUID_ENTRIES, KVM_MEM_LOG_DIRTY_PAGES, kvm_pit_config,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, Kvm, VcpuFd, VmFd};
use machine::Ram;
use migration::GuestMemory;
use vmm_sys_util::errno;

use crate::error::KvmError;
use crate::layout::{IDENTITY_MAP, KVM_TSS, RAM, bytes};

/// A memory slot: guest-physical memory of a RAM block.
#[derive(Debug)]
pub(crate) struct Slot {
    number: u32,
    address: u64,
    pub(crate) ram: Arc<Ram>,
}

/// A VM of KVM with its memory.
///
/// # Invariants
///
/// The memory of each slot outlives every descriptor by which the guest can run: a [`Vcpu`] keeps
/// this value, and closes its own descriptor first; the descriptor of the VM is before `slots`.
#[derive(Debug)]
pub(crate) struct KvmVm {
    pub(crate) fd: VmFd,
    /// Bytes of a vCPU's XSAVE state.
    pub(crate) xsave_bytes: usize,
    pub(crate) has_xsave2: bool,
    pub(crate) has_sregs2: bool,
    cpuid: CpuId,
    slots: [Slot; 2],
}

/// Slot of the block `program`.
pub(crate) const PROGRAM_SLOT: usize = 0;
/// Slot of the block `ram`.
pub(crate) const RAM_SLOT: usize = 1;

/// `KVM_CAP_SREGS2`.
const CAP_SREGS2: std::ffi::c_ulong = kvm_bindings::KVM_CAP_SREGS2 as std::ffi::c_ulong;

/// A vCPU.
#[derive(Debug)]
pub(crate) struct Vcpu {
    // Before `vm`: see the invariant of `KvmVm`.
    pub(crate) fd: VcpuFd,
    pub(crate) index: usize,
    pub(crate) vm: Arc<KvmVm>,
}

impl KvmVm {
    /// Makes a VM with these two blocks of memory.
    pub(crate) fn new(kvm: &Kvm, program: Arc<Ram>, ram: Arc<Ram>) -> Result<KvmVm, KvmError> {
        for (capability, what) in [
            (Cap::Irqchip, "KVM_CAP_IRQCHIP"),
            (Cap::Pit2, "KVM_CAP_PIT2"),
            (Cap::PitState2, "KVM_CAP_PIT_STATE2"),
            (Cap::AdjustClock, "KVM_CAP_ADJUST_CLOCK"),
            (Cap::TscDeadlineTimer, "KVM_CAP_TSC_DEADLINE_TIMER"),
            (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"),
            (Cap::VcpuEvents, "KVM_CAP_VCPU_EVENTS"),
            (Cap::Debugregs, "KVM_CAP_DEBUGREGS"),
            (Cap::Xsave, "KVM_CAP_XSAVE"),
            (Cap::Xcrs, "KVM_CAP_XCRS"),
            (Cap::GetTscKhz, "KVM_CAP_GET_TSC_KHZ"),
        ] {
            if !kvm.check_extension(capability) {
                return Err(KvmError::Missing { what });
            }
        }
        let cpuid = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(KvmError::call("KVM_GET_SUPPORTED_CPUID"))?;
        let fd = kvm.create_vm().map_err(KvmError::call("KVM_CREATE_VM"))?;
        let xsave = fd.check_extension_int(Cap::Xsave2);
        let machine = KvmVm {
            // Before KVM_CAP_XSAVE2 the state has 4096 bytes.
            xsave_bytes: usize::try_from(xsave).unwrap_or_default().max(4096),
            has_xsave2: xsave > 0,
            has_sregs2: fd.check_extension_raw(CAP_SREGS2) > 0,
            cpuid,
            slots: [
                Slot { number: PROGRAM_SLOT as u32, address: 0, ram: program },
                Slot { number: RAM_SLOT as u32, address: RAM, ram },
            ],
            fd,
        };
        let fd = &machine.fd;
        fd.set_identity_map_address(IDENTITY_MAP)
            .map_err(KvmError::call("KVM_SET_IDENTITY_MAP_ADDR"))?;
        fd.set_tss_address(KVM_TSS as usize).map_err(KvmError::call("KVM_SET_TSS_ADDR"))?;
        fd.create_irq_chip().map_err(KvmError::call("KVM_CREATE_IRQCHIP"))?;
        fd.create_pit2(kvm_pit_config::default()).map_err(KvmError::call("KVM_CREATE_PIT2"))?;
        for slot in [PROGRAM_SLOT, RAM_SLOT] {
            machine
                .set_logged(slot, false)
                .map_err(KvmError::call("KVM_SET_USER_MEMORY_REGION"))?;
        }
        Ok(machine)
    }

    /// Returns a slot.
    pub(crate) fn slot(&self, slot: usize) -> &Slot {
        &self.slots[slot]
    }

    /// Adds a slot, or sets whether KVM logs the writes to it.
    pub(crate) fn set_logged(&self, slot: usize, logged: bool) -> Result<(), errno::Error> {
        let Slot { number, address, ram } = &self.slots[slot];
        let region = kvm_userspace_memory_region {
            slot: *number,
            flags: if logged { KVM_MEM_LOG_DIRTY_PAGES } else { 0 },
            guest_phys_addr: *address,
            memory_size: bytes(ram),
            userspace_addr: ram.words().as_ptr().addr() as u64,
        };
        // SAFETY: the addresses are those of `ram`, to which any thread may store at any time. By
        // the invariant it is mapped for as long as a guest can run.
        unsafe { self.fd.set_user_memory_region(region) }
    }

    /// Makes a vCPU.
    pub(crate) fn vcpu(self: &Arc<Self>, index: usize) -> Result<Vcpu, KvmError> {
        let fd = self
            .fd
            .create_vcpu(index as u64)
            .map_err(KvmError::vcpu_call("KVM_CREATE_VCPU", index))?;
        let mut cpuid = self.cpuid.clone();
        for entry in cpuid.as_mut_slice() {
            match entry.function {
                // The APIC's number, of 8 bits; x2APIC and the deadline timer are there.
                1 => {
                    entry.ebx = entry.ebx & 0x00ff_ffff | (index as u32) << 24;
                    entry.ecx |= 1 << 21 | 1 << 24;
                }
                // The x2APIC's number.
                0xb | 0x1f => entry.edx = index as u32,
                _ => {}
            }
        }
        fd.set_cpuid2(&cpuid).map_err(KvmError::vcpu_call("KVM_SET_CPUID2", index))?;
        Ok(Vcpu { fd, index, vm: Arc::clone(self) })
    }

    /// Returns a register of a leaf of CPUID, by a function that picks it; 0 if there is none.
    fn cpuid(
        &self,
        function: u32,
        index: u32,
        pick: fn(&kvm_bindings::kvm_cpuid_entry2) -> u32,
    ) -> u32 {
        let entries = self.cpuid.as_slice().iter();
        let mut of = entries.filter(|entry| (entry.function, entry.index) == (function, index));
        of.next().map_or(0, pick)
    }

    /// Returns the XCR0 with which a vCPU starts: x87, SSE, and AVX if the processor has it.
    pub(crate) fn xcr0(&self) -> u64 {
        let supported = u64::from(self.cpuid(0xd, 0, |entry| entry.eax));
        if self.cpuid(1, 0, |entry| entry.ecx) & 1 << 26 == 0 { 0 } else { supported & 0b111 }
    }

    /// Returns whether a vCPU has `rdtscp`.
    pub(crate) fn has_rdtscp(&self) -> bool {
        self.cpuid(0x8000_0001, 0, |entry| entry.edx) & 1 << 27 != 0
    }

    /// Returns whether KVM's clock is there (`KVM_FEATURE_CLOCKSOURCE2`).
    pub(crate) fn has_clock(&self) -> bool {
        self.cpuid(0x4000_0001, 0, |entry| entry.eax) & 1 << 3 != 0
    }
}

/// Opens `/dev/kvm`.
///
/// # Errors
///
/// If it is not there, or this process may not use it.
pub(crate) fn open() -> Result<Kvm, KvmError> {
    let kvm = Kvm::new().map_err(|error| KvmError::Unavailable(error.into()))?;
    match kvm.get_api_version() {
        12 => Ok(kvm),
        other => {
            let error = format!("its version is {other}, not 12");
            Err(KvmError::Unavailable(io::Error::other(error)))
        }
    }
}
