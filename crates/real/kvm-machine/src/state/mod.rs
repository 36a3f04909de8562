//! The state of the machine outside its memory, as the stream has it.
//!
//! The names of fields are KVM's (`struct kvm_regs` and so on). [`vcpu`] and [`vm`] are the
//! sections; [`order`] has the one function that sets all of it.

pub(crate) mod order;
#[cfg(test)]
mod tests;
pub(crate) mod vcpu;
pub(crate) mod vm;

use wire::DecodeError;
use wire::vmstate::{Fields, VmState};

/// Visits fields of one kind, named as in KVM's structure.
macro_rules! visit {
    ($f:ident, $kind:ident, $of:expr, $($name:ident)*) => {
        $($f.$kind(stringify!($name), &mut $of.$name)?;)*
    };
}
pub(crate) use visit;

/// Which guest this is: what the destination has to agree on before it takes the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GuestState {
    /// Seed of the first vCPU's workload; each next vCPU has the next.
    pub(crate) seed: u64,
    /// Number of pages of the block `ram`.
    pub(crate) pages: u64,
    pub(crate) vcpus: u32,
    /// The guest's frequency, in kHz.
    pub(crate) tsc_khz: u32,
}

impl VmState for GuestState {
    const NAME: &'static str = "lastref-kvm-guest";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        visit!(f, u64, self, seed pages);
        visit!(f, u32, self, vcpus tsc_khz);
        Ok(())
    }
}

/// The registers of the serial port, and the number of bytes that it has put out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SerialPortState {
    pub(crate) baud_divisor_low: u8,
    pub(crate) baud_divisor_high: u8,
    pub(crate) interrupt_enable: u8,
    pub(crate) interrupt_identification: u8,
    pub(crate) line_control: u8,
    pub(crate) line_status: u8,
    pub(crate) modem_control: u8,
    pub(crate) modem_status: u8,
    pub(crate) scratch: u8,
    /// Number of bytes that wait for the guest, and the bytes.
    pub(crate) waiting: u8,
    pub(crate) in_buffer: [u8; FIFO],
    pub(crate) printed: u64,
}

/// Bytes that can wait for the guest.
pub(crate) const FIFO: usize = 64;

impl Default for SerialPortState {
    fn default() -> Self {
        SerialPortState {
            baud_divisor_low: 0,
            baud_divisor_high: 0,
            interrupt_enable: 0,
            interrupt_identification: 0,
            line_control: 0,
            line_status: 0,
            modem_control: 0,
            modem_status: 0,
            scratch: 0,
            waiting: 0,
            in_buffer: [0; FIFO],
            printed: 0,
        }
    }
}

impl VmState for SerialPortState {
    const NAME: &'static str = "lastref-serial";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        visit!(f, u8, self, baud_divisor_low baud_divisor_high interrupt_enable
            interrupt_identification line_control line_status modem_control modem_status scratch
            waiting);
        f.buffer("in_buffer", &mut self.in_buffer)?;
        visit!(f, u64, self, printed);
        Ok(())
    }
}

/// The doorbell: the number of times that the guest rang it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DoorbellState {
    pub(crate) rings: u64,
}

impl VmState for DoorbellState {
    const NAME: &'static str = "lastref-doorbell";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        visit!(f, u64, self, rings);
        Ok(())
    }
}
