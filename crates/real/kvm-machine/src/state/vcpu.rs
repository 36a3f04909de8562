//! The state of one vCPU.
//!
//! QEMU's counterparts are `kvm_arch_get_registers` (`target/i386/kvm/kvm.c`) and `vmstate_x86_cpu`
//! (`target/i386/machine.c`).

use kvm_bindings::{
    Msrs, Xsave, kvm_debugregs, kvm_dtable, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs,
    kvm_segment, kvm_sregs, kvm_sregs2, kvm_vcpu_events, kvm_xcr, kvm_xcrs, kvm_xsave,
};
use vmm_sys_util::errno;
use wire::DecodeError;
use wire::vmstate::{Fields, VmState};

use super::visit;
use crate::error::KvmError;
use crate::ioctls::{get_sregs2, set_sregs2};
use crate::vm::Vcpu;

/// Maximum bytes of XSAVE state that a stream may bring: some times the 11 KiB of AMX.
const MOST_XSAVE: usize = 64 << 10;

/// Maximum number of MSRs that a stream may bring: as many as KVM takes in one call.
const MOST_MSRS: usize = kvm_bindings::KVM_MAX_MSR_ENTRIES;

/// `KVM_SREGS2_FLAGS_PDPTRS_VALID`.
const PDPTRS_VALID: u64 = 1;

/// The XSAVE state, of the size that KVM says it has (`KVM_CAP_XSAVE2`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct XsaveState {
    /// Bytes that the stream says follow. More than [`MOST_XSAVE`] are not read, and refused later.
    size: u32,
    bytes: Vec<u8>,
}

/// A model-specific register.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Msr {
    pub(crate) index: u32,
    pub(crate) data: u64,
}

/// The state of one vCPU, as the stream has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct VcpuState {
    pub(crate) mp_state: kvm_mp_state,
    pub(crate) regs: kvm_regs,
    pub(crate) sregs: kvm_sregs2,
    pub(crate) xsave: XsaveState,
    pub(crate) xcrs: kvm_xcrs,
    pub(crate) debugregs: kvm_debugregs,
    pub(crate) lapic: Lapic,
    /// Number of MSRs that the stream says follow.
    msr_count: u32,
    pub(crate) msrs: Vec<Msr>,
    pub(crate) events: kvm_vcpu_events,
}

/// The registers of the local APIC, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lapic(pub(crate) [u8; 1024]);

impl Default for Lapic {
    fn default() -> Self {
        Lapic([0; 1024])
    }
}

impl Lapic {
    fn of(state: &kvm_lapic_state) -> Self {
        Lapic(state.regs.map(|byte| byte.cast_unsigned()))
    }

    pub(crate) fn to_kvm(&self) -> kvm_lapic_state {
        kvm_lapic_state { regs: self.0.map(u8::cast_signed) }
    }

    /// Sets a register by its offset in the APIC's page.
    pub(crate) fn set_register(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// Visits a segment register. Its names begin with the register's.
macro_rules! segment {
    ($f:ident, $sregs:expr, $($name:ident)*) => {
        $(
            let kvm_segment {
                base, limit, selector, type_, present, dpl, db, s, l, g, avl, unusable, padding: _,
            } = &mut $sregs.$name;
            $f.u64(concat!(stringify!($name), ".base"), base)?;
            $f.u32(concat!(stringify!($name), ".limit"), limit)?;
            $f.u16(concat!(stringify!($name), ".selector"), selector)?;
            $f.u8(concat!(stringify!($name), ".type"), type_)?;
            $f.u8(concat!(stringify!($name), ".present"), present)?;
            $f.u8(concat!(stringify!($name), ".dpl"), dpl)?;
            $f.u8(concat!(stringify!($name), ".db"), db)?;
            $f.u8(concat!(stringify!($name), ".s"), s)?;
            $f.u8(concat!(stringify!($name), ".l"), l)?;
            $f.u8(concat!(stringify!($name), ".g"), g)?;
            $f.u8(concat!(stringify!($name), ".avl"), avl)?;
            $f.u8(concat!(stringify!($name), ".unusable"), unusable)?;
        )*
    };
}

/// Visits a descriptor table register.
macro_rules! table {
    ($f:ident, $sregs:expr, $($name:ident)*) => {
        $(
            let kvm_dtable { base, limit, padding: _ } = &mut $sregs.$name;
            $f.u64(concat!(stringify!($name), ".base"), base)?;
            $f.u16(concat!(stringify!($name), ".limit"), limit)?;
        )*
    };
}

impl VmState for VcpuState {
    const NAME: &'static str = "lastref-kvm-vcpu";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        visit!(f, u32, self.mp_state, mp_state);
        visit!(f, u64, self.regs, rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15
            rip rflags);
        segment!(f, self.sregs, cs ds es fs gs ss tr ldt);
        table!(f, self.sregs, gdt idt);
        visit!(f, u64, self.sregs, cr0 cr2 cr3 cr4 cr8 efer apic_base flags);
        for pdptr in &mut self.sregs.pdptrs {
            f.u64("pdptr", pdptr)?;
        }
        self.xsave.fields(f)?;
        visit!(f, u32, self.xcrs, nr_xcrs);
        for index in 0..(self.xcrs.nr_xcrs as usize).min(self.xcrs.xcrs.len()) {
            let kvm_xcr { xcr, reserved: _, value } = &mut self.xcrs.xcrs[index];
            f.u32("xcr", xcr)?;
            f.u64("xcr.value", value)?;
        }
        for register in &mut self.debugregs.db {
            f.u64("db", register)?;
        }
        visit!(f, u64, self.debugregs, dr6 dr7);
        f.buffer("lapic", &mut self.lapic.0)?;
        f.u32("msr_count", &mut self.msr_count)?;
        self.msrs.resize((self.msr_count as usize).min(MOST_MSRS), Msr::default());
        for Msr { index, data } in &mut self.msrs {
            f.u32("msr.index", index)?;
            f.u64("msr.data", data)?;
        }
        events(f, &mut self.events)
    }
}

impl XsaveState {
    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        f.u32("xsave.size", &mut self.size)?;
        self.bytes.resize((self.size as usize).min(MOST_XSAVE), 0);
        f.buffer("xsave", &mut self.bytes)
    }
}

fn events(f: &mut dyn Fields, events: &mut kvm_vcpu_events) -> Result<(), DecodeError> {
    let kvm_vcpu_events { exception, interrupt, nmi, smi, triple_fault, .. } = events;
    f.u8("exception.injected", &mut exception.injected)?;
    f.u8("exception.nr", &mut exception.nr)?;
    f.u8("exception.has_error_code", &mut exception.has_error_code)?;
    f.u8("exception.pending", &mut exception.pending)?;
    f.u32("exception.error_code", &mut exception.error_code)?;
    f.u8("interrupt.injected", &mut interrupt.injected)?;
    f.u8("interrupt.nr", &mut interrupt.nr)?;
    f.u8("interrupt.soft", &mut interrupt.soft)?;
    f.u8("interrupt.shadow", &mut interrupt.shadow)?;
    f.u8("nmi.injected", &mut nmi.injected)?;
    f.u8("nmi.pending", &mut nmi.pending)?;
    f.u8("nmi.masked", &mut nmi.masked)?;
    f.u8("smi.smm", &mut smi.smm)?;
    f.u8("smi.pending", &mut smi.pending)?;
    f.u8("smi.smm_inside_nmi", &mut smi.smm_inside_nmi)?;
    f.u8("smi.latched_init", &mut smi.latched_init)?;
    f.u8("triple_fault.pending", &mut triple_fault.pending)?;
    visit!(f, u8, events, exception_has_payload);
    visit!(f, u64, events, exception_payload);
    visit!(f, u32, events, sipi_vector flags);
    Ok(())
}

impl VcpuState {
    /// Returns whether the counts of the stream are those of what it brought.
    pub(crate) fn is_whole(&self) -> bool {
        self.msr_count as usize == self.msrs.len()
            && !self.msrs.is_empty()
            && self.xsave.size as usize == self.xsave.bytes.len()
            && self.xcrs.nr_xcrs as usize <= self.xcrs.xcrs.len()
    }

    /// Returns the value of an MSR.
    pub(crate) fn msr(&self, index: u32) -> Option<u64> {
        self.msrs.iter().find(|msr| msr.index == index).map(|msr| msr.data)
    }
}

/// Makes one of KVM's two structures of special registers with those that both have.
macro_rules! with_registers_of {
    ($of:expr, $to:ident { $($own:tt)* }) => {
        $to {
            cs: $of.cs,
            ds: $of.ds,
            es: $of.es,
            fs: $of.fs,
            gs: $of.gs,
            ss: $of.ss,
            tr: $of.tr,
            ldt: $of.ldt,
            gdt: $of.gdt,
            idt: $of.idt,
            cr0: $of.cr0,
            cr2: $of.cr2,
            cr3: $of.cr3,
            cr4: $of.cr4,
            cr8: $of.cr8,
            efer: $of.efer,
            apic_base: $of.apic_base,
            $($own)*
        }
    };
}

impl Vcpu {
    fn call(&self, call: &'static str) -> impl FnOnce(errno::Error) -> KvmError {
        KvmError::vcpu_call(call, self.index)
    }

    /// Returns which MSRs of KVM's index list this vCPU has. KVM lists more than a vCPU has, by
    /// what the processor offers.
    pub(crate) fn readable_msrs(&self, list: &[u32]) -> Vec<u32> {
        let has = |index: &u32| {
            let entry = kvm_msr_entry { index: *index, ..Default::default() };
            let one = Msrs::from_entries(&[entry]);
            one.is_ok_and(|mut one| self.fd.get_msrs(&mut one) == Ok(1))
        };
        list.iter().copied().filter(has).collect()
    }

    /// Reads the state of the vCPU, which executes nothing and has no I/O pending.
    ///
    /// The MSRs come before the LAPIC: if the deadline timer expires in between, the interrupt
    /// arrives twice, and in the other order not at all.
    pub(crate) fn read(&self, msrs: &[u32]) -> Result<VcpuState, KvmError> {
        // First, since KVM may accept a pending INIT or SIPI here, which changes other registers
        // (`kvm_arch_vcpu_ioctl_get_mpstate`).
        let mp_state = self.fd.get_mp_state().map_err(self.call("KVM_GET_MP_STATE"))?;
        let regs = self.fd.get_regs().map_err(self.call("KVM_GET_REGS"))?;
        let sregs = self.sregs()?;
        let xsave = self.xsave()?;
        let xcrs = self.fd.get_xcrs().map_err(self.call("KVM_GET_XCRS"))?;
        let debugregs = self.fd.get_debug_regs().map_err(self.call("KVM_GET_DEBUGREGS"))?;
        let msrs = self.msrs(msrs)?;
        let lapic = self.fd.get_lapic().map_err(self.call("KVM_GET_LAPIC"))?;
        // Last, since reading the others may not change what is pending, and this shows it.
        let events = self.fd.get_vcpu_events().map_err(self.call("KVM_GET_VCPU_EVENTS"))?;
        Ok(VcpuState {
            mp_state,
            regs,
            sregs,
            xsave,
            xcrs,
            debugregs,
            lapic: Lapic::of(&lapic),
            msr_count: msrs.len() as u32,
            msrs,
            events,
        })
    }

    fn sregs(&self) -> Result<kvm_sregs2, KvmError> {
        if self.vm.has_sregs2 {
            return get_sregs2(&self.fd).map_err(self.call("KVM_GET_SREGS2"));
        }
        let sregs = self.fd.get_sregs().map_err(self.call("KVM_GET_SREGS"))?;
        // The bitmap of interrupts is in the events too.
        Ok(with_registers_of!(sregs, kvm_sregs2 { flags: 0, pdptrs: [0; 4] }))
    }

    pub(crate) fn set_sregs(&self, sregs: &kvm_sregs2) -> Result<(), KvmError> {
        if self.vm.has_sregs2 {
            return set_sregs2(&self.fd, sregs).map_err(self.call("KVM_SET_SREGS2"));
        }
        if sregs.flags & PDPTRS_VALID != 0 {
            // Without KVM_CAP_SREGS2 the guest's page directory pointers would be read from memory.
            return Err(KvmError::Missing { what: "KVM_CAP_SREGS2" });
        }
        let sregs = with_registers_of!(sregs, kvm_sregs { interrupt_bitmap: [0; 4] });
        self.fd.set_sregs(&sregs).map_err(self.call("KVM_SET_SREGS"))
    }

    /// Makes room for the XSAVE state of a vCPU here.
    fn xsave_room(&self) -> Result<Xsave, KvmError> {
        let extra = self.vm.xsave_bytes.saturating_sub(size_of::<kvm_xsave>());
        Xsave::new(extra.div_ceil(size_of::<u32>())).map_err(|error| KvmError::SetUp {
            what: "memory for the XSAVE state",
            source: std::io::Error::other(format!("{error:?}")),
        })
    }

    fn xsave(&self) -> Result<XsaveState, KvmError> {
        let mut xsave = self.xsave_room()?;
        if self.vm.has_xsave2 {
            // SAFETY: it has room for as many bytes as KVM_CAP_XSAVE2 says, and nothing here
            // enables more features for the process (`arch_prctl`).
            let read = unsafe { self.fd.get_xsave2(&mut xsave) };
            read.map_err(self.call("KVM_GET_XSAVE2"))?;
        } else {
            let read = self.fd.get_xsave().map_err(self.call("KVM_GET_XSAVE"))?;
            // SAFETY: the length of the structure stays as it is.
            unsafe { xsave.as_mut_fam_struct() }.xsave.region = read.region;
        }
        let region = xsave.as_fam_struct_ref().xsave.region;
        let words = region.iter().chain(xsave.as_slice());
        let mut bytes: Vec<u8> = words.flat_map(|word| word.to_ne_bytes()).collect();
        bytes.truncate(self.vm.xsave_bytes);
        Ok(XsaveState { size: bytes.len() as u32, bytes })
    }

    pub(crate) fn set_xsave(&self, state: &XsaveState) -> Result<(), KvmError> {
        let (expected, found) = (self.vm.xsave_bytes, state.bytes.len());
        if expected != found {
            return Err(KvmError::XsaveSize { vcpu: self.index, expected, found });
        }
        let mut xsave = self.xsave_room()?;
        let mut words = state.bytes.chunks(4).map(|bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            u32::from_ne_bytes(word)
        });
        // SAFETY: the length of the structure stays as it is.
        let head = unsafe { xsave.as_mut_fam_struct() };
        head.xsave.region.fill_with(|| words.next().unwrap_or_default());
        xsave.as_mut_slice().fill_with(|| words.next().unwrap_or_default());
        // SAFETY: it has as many bytes as KVM_CAP_XSAVE2 says.
        let set = unsafe { self.fd.set_xsave2(&xsave) };
        set.map_err(self.call("KVM_SET_XSAVE"))
    }

    /// Reads MSRs that the vCPU has.
    pub(crate) fn msrs(&self, indices: &[u32]) -> Result<Vec<Msr>, KvmError> {
        let entries: Vec<_> = indices
            .iter()
            .map(|index| kvm_msr_entry { index: *index, ..Default::default() })
            .collect();
        let mut msrs = Msrs::from_entries(&entries).map_err(|error| too_many(&error))?;
        let read = self.fd.get_msrs(&mut msrs).map_err(self.call("KVM_GET_MSRS"))?;
        if let Some(missing) = indices.get(read) {
            return Err(KvmError::MsrRead { vcpu: self.index, index: *missing });
        }
        let read = msrs.as_slice().iter();
        Ok(read.map(|msr| Msr { index: msr.index, data: msr.data }).collect())
    }

    /// Sets MSRs.
    ///
    /// # Errors
    ///
    /// If KVM does not set one. It names the first.
    pub(crate) fn set_msrs(&self, msrs: impl IntoIterator<Item = Msr>) -> Result<(), KvmError> {
        let entry = |Msr { index, data }| kvm_msr_entry { index, data, ..Default::default() };
        let entries: Vec<_> = msrs.into_iter().map(entry).collect();
        let all = Msrs::from_entries(&entries).map_err(|error| too_many(&error))?;
        let set = self.fd.set_msrs(&all).map_err(self.call("KVM_SET_MSRS"))?;
        match entries.get(set) {
            None => Ok(()),
            Some(refused) => {
                Err(KvmError::Msr { vcpu: self.index, index: refused.index, value: refused.data })
            }
        }
    }
}

fn too_many(error: &vmm_sys_util::fam::Error) -> KvmError {
    KvmError::SetUp {
        what: "memory for the MSRs",
        source: std::io::Error::other(format!("{error:?}")),
    }
}
