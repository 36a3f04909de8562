//! The order in which the state is set. KVM accepts most others without an error, and loses
//! something.

use super::vcpu::VcpuState;
use super::vm::{ClockState, IrqchipState, PitState};
use crate::error::KvmError;
use crate::program::IA32_TSC_DEADLINE;
use crate::vm::{KvmVm, Vcpu};

/// `MSR_IA32_TSC`.
const IA32_TSC: u32 = 0x10;

/// A part of the state that one call of KVM sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    MpState,
    Sregs,
    Regs,
    Xcrs,
    Xsave,
    DebugRegs,
    Lapic,
    Msrs,
    TscDeadline,
    Events,
    Irqchip,
    Pit,
    Clock,
}

/// The state of the VM outside its vCPUs.
#[derive(Debug, Clone, Default)]
pub(crate) struct VmParts {
    pub(crate) irqchip: IrqchipState,
    pub(crate) pit: PitState,
    pub(crate) clock: ClockState,
}

impl VmParts {
    pub(crate) fn read(vm: &KvmVm) -> Result<Self, KvmError> {
        Ok(VmParts {
            irqchip: IrqchipState::read(vm)?,
            pit: PitState::read(vm)?,
            clock: ClockState::read(vm)?,
        })
    }
}

/// The parts of a vCPU, in the order in which they are set.
///
/// * `Sregs` before `Regs`: the mode decides how KVM reads the others. With them comes the base of
///   the APIC, whose mode (x2APIC here) decides the format of `Lapic`.
/// * `Xcrs` before `Xsave`: the extended state may have only what XCR0 enables.
/// * `Lapic` before `TscDeadline`: KVM drops a deadline to 0, and reports success, while the
///   LAPIC's timer is not in deadline mode (`kvm_set_lapic_tscdeadline_msr`).
/// * `Msrs`, with the TSC, before `TscDeadline`: KVM computes the time that is left from the TSC.
/// * `Events` last of the registers: it is what is pending on top of them.
/// * `MpState` at the end: a vCPU that is not the first is not runnable until then.
const VCPU: [Part; 10] = [
    Part::Sregs,
    Part::Regs,
    Part::Xcrs,
    Part::Xsave,
    Part::DebugRegs,
    Part::Lapic,
    Part::Msrs,
    Part::TscDeadline,
    Part::Events,
    Part::MpState,
];

/// The parts of the VM. They follow the vCPUs: an interrupt that a controller or the PIT raises
/// earlier would be lost with the LAPIC that is set afterwards.
const VM: [Part; 3] = [Part::Clock, Part::Irqchip, Part::Pit];

/// Sets all of the state. No vCPU executes.
///
/// # Errors
///
/// If KVM refuses a part, or does not keep what it accepted.
pub(crate) fn set_all<'a>(
    vm: &KvmVm,
    parts: &VmParts,
    vcpus: impl IntoIterator<Item = (&'a Vcpu, &'a VcpuState)>,
) -> Result<(), KvmError> {
    set_all_but(&[], vm, parts, vcpus)
}

/// Sets the state without some parts, for the tests of what the guest notices.
pub(crate) fn set_all_but<'a>(
    left_out: &[Part],
    vm: &KvmVm,
    parts: &VmParts,
    vcpus: impl IntoIterator<Item = (&'a Vcpu, &'a VcpuState)>,
) -> Result<(), KvmError> {
    let is_set = |part: &Part| !left_out.contains(part);
    for (vcpu, state) in vcpus {
        VCPU.into_iter().filter(is_set).try_for_each(|part| vcpu.set(part, state))?;
    }
    VM.into_iter().filter(is_set).try_for_each(|part| match part {
        Part::Irqchip => parts.irqchip.set(vm),
        Part::Pit => parts.pit.set(vm),
        _ => parts.clock.set(vm),
    })
}

impl Vcpu {
    /// Sets one part.
    pub(crate) fn set(&self, part: Part, state: &VcpuState) -> Result<(), KvmError> {
        let call = |call| KvmError::vcpu_call(call, self.index);
        let fd = &self.fd;
        match part {
            Part::MpState => fd.set_mp_state(state.mp_state).map_err(call("KVM_SET_MP_STATE")),
            Part::Sregs => self.set_sregs(&state.sregs),
            Part::Regs => fd.set_regs(&state.regs).map_err(call("KVM_SET_REGS")),
            Part::Xcrs => fd.set_xcrs(&state.xcrs).map_err(call("KVM_SET_XCRS")),
            Part::Xsave => self.set_xsave(&state.xsave),
            Part::DebugRegs => {
                fd.set_debug_regs(&state.debugregs).map_err(call("KVM_SET_DEBUGREGS"))
            }
            Part::Lapic => fd.set_lapic(&state.lapic.to_kvm()).map_err(call("KVM_SET_LAPIC")),
            Part::Msrs => {
                let msrs = state.msrs.iter().copied();
                self.set_msrs(msrs.filter(|msr| msr.index != IA32_TSC_DEADLINE))
            }
            Part::TscDeadline => self.set_deadline(state),
            Part::Events => fd.set_vcpu_events(&state.events).map_err(call("KVM_SET_VCPU_EVENTS")),
            Part::Irqchip | Part::Pit | Part::Clock => Ok(()),
        }
    }

    /// Sets the deadline of the LAPIC's timer, and checks that KVM kept it. A deadline that has
    /// passed is no longer there: the timer has expired.
    fn set_deadline(&self, state: &VcpuState) -> Result<(), KvmError> {
        let msrs = state.msrs.iter().filter(|msr| msr.index == IA32_TSC_DEADLINE);
        self.set_msrs(msrs.copied())?;
        let Some(value) = state.msr(IA32_TSC_DEADLINE).filter(|deadline| *deadline != 0) else {
            return Ok(());
        };
        let set = self.msrs(&[IA32_TSC_DEADLINE, IA32_TSC])?;
        match set[..] {
            [deadline, tsc] if deadline.data != value && tsc.data < value => {
                let (vcpu, found) = (self.index, deadline.data);
                Err(KvmError::MsrDropped { vcpu, index: IA32_TSC_DEADLINE, value, found })
            }
            _ => Ok(()),
        }
    }
}
