//! The state in which a new guest starts: what firmware and a kernel would otherwise have set up.

use kvm_bindings::{
    KVM_MP_STATE_RUNNABLE, kvm_dtable, kvm_mp_state, kvm_pit_channel_state, kvm_segment, kvm_xcr,
};

use crate::error::KvmError;
use crate::layout::{GDT, IDT, MAX_VCPUS, PML4, page_of, vcpu_page};
use crate::program::{
    CODE_3, DATA_3, PIT_VECTOR, TIMER_VECTOR, TSS_LIMIT, Task, entry, tss_selector,
};
use crate::state::order::{Part, VmParts};
use crate::state::vcpu::Msr;
use crate::vm::{KvmVm, Vcpu};

/// `MSR_IA32_TSC_AUX`.
const IA32_TSC_AUX: u32 = 0xc000_0103;
/// `MSR_KVM_SYSTEM_TIME_NEW`: the address of KVM's clock, and bit 0 to turn it on.
const KVM_SYSTEM_TIME_NEW: u32 = 0x4b56_4d01;

/// Paging, write protection at CPL 0, errors of the coprocessor as exceptions, protected mode.
const CR0: u64 = 1 << 31 | 1 << 16 | 1 << 5 | 1 << 4 | 1 << 1 | 1;
/// Physical address extension, SSE and its exceptions.
const CR4: u64 = 1 << 5 | 1 << 9 | 1 << 10;
/// `xgetbv` and the XSAVE instructions.
const CR4_OSXSAVE: u64 = 1 << 18;
/// Long mode, enabled and active.
const EFER: u64 = 1 << 8 | 1 << 10;
/// Reserved bit 1, and interrupts on.
const RFLAGS: u64 = 1 << 1 | 1 << 9;
/// The APIC is enabled, as an x2APIC.
const X2APIC: u64 = 1 << 11 | 1 << 10;

/// The LAPIC's registers, by their offset in its page.
const TASK_PRIORITY: usize = 0x80;
const SPURIOUS: usize = 0xf0;
const TIMER: usize = 0x320;
const LINT0: usize = 0x350;
/// Bit of a local vector that masks it.
const MASKED: u32 = 1 << 16;
/// Bits of the timer's vector that choose the deadline mode.
const DEADLINE_MODE: u32 = 1 << 18;

/// The PIT's frequency, and that of its interrupts, in Hz.
const PIT_HZ: u32 = 1_193_182;
const TICKS_HZ: u32 = 100;

/// Time of a write that is never due.
const NEVER: u64 = 1 << 62;

/// Returns the XCR0 that the guest expects; 0 without XSAVE.
pub(crate) fn xcr0(vm: &KvmVm) -> u64 {
    vm.xcr0()
}

/// Returns the `IA32_TSC_AUX` of a vCPU, if it has `rdtscp`.
pub(crate) fn tsc_aux(vm: &KvmVm, index: usize) -> Option<u32> {
    vm.has_rdtscp().then_some(0x100 + index as u32)
}

/// Puts a vCPU at the start of its task.
pub(crate) fn vcpu(vcpu: &Vcpu, task: &Task, msrs: &[u32]) -> Result<(), KvmError> {
    let mut state = vcpu.read(msrs)?;
    state.mp_state = kvm_mp_state { mp_state: KVM_MP_STATE_RUNNABLE };

    let flat = kvm_segment { limit: u32::MAX, present: 1, s: 1, g: 1, ..Default::default() };
    // Type 11 is code that may be read, 3 data that may be written.
    let code = kvm_segment { selector: CODE_3, type_: 11, dpl: 3, l: 1, ..flat };
    let data = kvm_segment { selector: DATA_3, type_: 3, dpl: 3, db: 1, ..flat };
    let page = page_of(vcpu.index);
    let task_state = kvm_segment {
        base: page + vcpu_page::TSS,
        limit: TSS_LIMIT,
        selector: tss_selector(vcpu.index),
        type_: 11,
        present: 1,
        ..Default::default()
    };
    let sregs = &mut state.sregs;
    (sregs.cs, sregs.ds, sregs.es, sregs.ss) = (code, data, data, data);
    (sregs.fs, sregs.gs, sregs.tr) = (data, data, task_state);
    sregs.ldt = kvm_segment { type_: 2, unusable: 1, ..Default::default() };
    let last = u64::from(tss_selector(MAX_VCPUS)) - 1;
    sregs.gdt = kvm_dtable { base: GDT, limit: last as u16, ..Default::default() };
    sregs.idt = kvm_dtable { base: IDT, limit: 4095, ..Default::default() };
    sregs.cr0 = CR0;
    sregs.cr3 = PML4;
    sregs.cr4 = if task.xcr0 == 0 { CR4 } else { CR4 | CR4_OSXSAVE };
    sregs.efer = EFER;
    sregs.apic_base |= X2APIC;

    state.regs = kvm_bindings::kvm_regs {
        rip: entry(),
        rflags: RFLAGS,
        rsi: task.pages,
        r14: if task.interval == NEVER { NEVER } else { 0 },
        r15: page,
        ..Default::default()
    };
    if task.xcr0 != 0 {
        state.xcrs.nr_xcrs = 1;
        state.xcrs.xcrs[0] = kvm_xcr { xcr: 0, value: task.xcr0, ..Default::default() };
    }
    for part in [Part::Sregs, Part::Regs, Part::Xcrs] {
        vcpu.set(part, &state)?;
    }

    // Read again: the mode of the APIC decides its format.
    let mut state = vcpu.read(msrs)?;
    state.mp_state = kvm_mp_state { mp_state: KVM_MP_STATE_RUNNABLE };
    state.lapic.set_register(TASK_PRIORITY, 0);
    state.lapic.set_register(SPURIOUS, 0x1ff);
    state.lapic.set_register(TIMER, DEADLINE_MODE | TIMER_VECTOR as u32);
    state.lapic.set_register(LINT0, MASKED);
    vcpu.set(Part::Lapic, &state)?;
    if let Some(aux) = task.tsc_aux {
        vcpu.set_msrs([Msr { index: IA32_TSC_AUX, data: aux.into() }])?;
    }
    if vcpu.vm.has_clock() {
        let data = (page + vcpu_page::CLOCK) | 1;
        vcpu.set_msrs([Msr { index: KVM_SYSTEM_TIME_NEW, data }])?;
    }
    vcpu.set(Part::MpState, &state)
}

/// Starts the PIT, whose interrupts go to the first vCPU.
pub(crate) fn vm(vm: &KvmVm) -> Result<(), KvmError> {
    let mut parts = VmParts::read(vm)?;
    // Fixed delivery on an edge, unmasked, to the APIC number 0. KVM routes the PIT to pin 0
    // (`default_routing` of `arch/x86/kvm/irq_comm.c`).
    parts.irqchip.set_redirection(0, PIT_VECTOR);
    parts.irqchip.set(vm)?;
    // Low and high byte, mode 2: an interrupt each time that the count has run down.
    parts.pit.0.channels[0] = kvm_pit_channel_state {
        count: PIT_HZ / TICKS_HZ,
        rw_mode: 3,
        mode: 2,
        gate: 1,
        ..parts.pit.0.channels[0]
    };
    parts.pit.set(vm)
}

/// Returns the ticks of the TSC from one write to the next at this rate.
pub(crate) fn interval(tsc_hz: u64, rate: u64) -> u64 {
    tsc_hz.checked_div(rate).unwrap_or(NEVER)
}
