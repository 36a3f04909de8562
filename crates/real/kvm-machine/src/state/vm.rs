//! The state of the interrupt controllers, the PIT and KVM's clock.
//!
//! QEMU's counterparts are `hw/i386/kvm/i8259.c`, `ioapic.c`, `i8254.c` and `clock.c`.

use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, kvm_clock_data, kvm_irqchip,
    kvm_pit_channel_state, kvm_pit_state2,
};
use wire::DecodeError;
use wire::vmstate::{Fields, VmState};

use super::visit;
use crate::error::KvmError;
use crate::vm::KvmVm;

/// Bytes of the state of one interrupt controller.
const CHIP: usize = 512;

/// The three interrupt controllers: both PICs and the IOAPIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IrqchipState {
    pub(crate) chips: [[u8; CHIP]; 3],
}

impl Default for IrqchipState {
    fn default() -> Self {
        IrqchipState { chips: [[0; CHIP]; 3] }
    }
}

const CHIPS: [u32; 3] = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC];

impl VmState for IrqchipState {
    const NAME: &'static str = "lastref-kvm-irqchip";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        let [master, slave, ioapic] = &mut self.chips;
        f.buffer("pic_master", master)?;
        f.buffer("pic_slave", slave)?;
        f.buffer("ioapic", ioapic)
    }
}

impl IrqchipState {
    pub(crate) fn read(vm: &KvmVm) -> Result<Self, KvmError> {
        let mut state = IrqchipState::default();
        for (chip_id, bytes) in CHIPS.into_iter().zip(&mut state.chips) {
            let mut chip = kvm_irqchip { chip_id, ..Default::default() };
            vm.fd.get_irqchip(&mut chip).map_err(KvmError::call("KVM_GET_IRQCHIP"))?;
            // SAFETY: `dummy` is all bytes of the union, and each was set before.
            *bytes = unsafe { chip.chip.dummy }.map(|byte| byte.cast_unsigned());
        }
        Ok(state)
    }

    pub(crate) fn set(&self, vm: &KvmVm) -> Result<(), KvmError> {
        for (chip_id, bytes) in CHIPS.into_iter().zip(&self.chips) {
            let mut chip = kvm_irqchip { chip_id, ..Default::default() };
            chip.chip.dummy = bytes.map(u8::cast_signed);
            vm.fd.set_irqchip(&chip).map_err(KvmError::call("KVM_SET_IRQCHIP"))?;
        }
        Ok(())
    }

    /// Sets an entry of the IOAPIC's redirection table.
    pub(crate) fn set_redirection(&mut self, pin: usize, entry: u64) {
        /// Offset of the table in `struct kvm_ioapic_state`.
        const TABLE: usize = 24;
        let at = TABLE + pin * size_of::<u64>();
        self.chips[2][at..at + 8].copy_from_slice(&entry.to_le_bytes());
    }
}

/// The programmable interval timer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PitState(pub(crate) kvm_pit_state2);

impl VmState for PitState {
    const NAME: &'static str = "lastref-kvm-pit";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        for channel in &mut self.0.channels {
            let kvm_pit_channel_state { .. } = channel;
            visit!(f, u32, channel, count);
            visit!(f, u16, channel, latched_count);
            visit!(f, u8, channel, count_latched status_latched status read_state write_state
                write_latch rw_mode mode bcd gate);
            visit!(f, i64, channel, count_load_time);
        }
        visit!(f, u32, self.0, flags);
        Ok(())
    }
}

impl PitState {
    pub(crate) fn read(vm: &KvmVm) -> Result<Self, KvmError> {
        vm.fd.get_pit2().map(PitState).map_err(KvmError::call("KVM_GET_PIT2"))
    }

    pub(crate) fn set(&self, vm: &KvmVm) -> Result<(), KvmError> {
        vm.fd.set_pit2(&self.0).map_err(KvmError::call("KVM_SET_PIT2"))
    }
}

/// KVM's clock, in nanoseconds.
///
/// The time of the move does not pass for the guest, as with QEMU's `kvmclock` device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClockState {
    pub(crate) clock: u64,
}

impl VmState for ClockState {
    const NAME: &'static str = "lastref-kvm-clock";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        visit!(f, u64, self, clock);
        Ok(())
    }
}

impl ClockState {
    pub(crate) fn read(vm: &KvmVm) -> Result<Self, KvmError> {
        let data = vm.fd.get_clock().map_err(KvmError::call("KVM_GET_CLOCK"))?;
        Ok(ClockState { clock: data.clock })
    }

    pub(crate) fn set(&self, vm: &KvmVm) -> Result<(), KvmError> {
        // Without KVM_CLOCK_REALTIME, so KVM adds nothing for the time since it was read.
        let data = kvm_clock_data { clock: self.clock, ..Default::default() };
        vm.fd.set_clock(&data).map_err(KvmError::call("KVM_SET_CLOCK"))
    }
}
