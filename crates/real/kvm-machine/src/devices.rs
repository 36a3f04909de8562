//! The devices that the host emulates: a serial port, and a doorbell that stores to guest memory.
//!
//! The first vCPU rings and prints, so its thread owns the devices while it executes, without a
//! lock. When it stops it gives them back.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use machine::{Marker, Ram};
use migration::{GuestMemory, RestoreError};
use vm_superio::serial::{NoEvents, SerialState};
use vm_superio::{Serial, Trigger};

use crate::layout::{DOORBELL, PAGE};
use crate::program::{DOORBELL_PORT, SERIAL_PORT};
use crate::state::{DoorbellState, FIFO, SerialPortState};

/// Number of ports of the serial port.
const SERIAL_PORTS: u16 = 8;

/// The serial port's interrupt, which goes nowhere: the guest does not use it.
#[derive(Debug)]
struct NoInterrupt;

impl Trigger for NoInterrupt {
    type E = std::convert::Infallible;

    fn trigger(&self) -> Result<(), Self::E> {
        Ok(())
    }
}

/// Where the serial port prints to. It counts the bytes.
struct Output {
    to: Box<dyn Write + Send>,
    printed: u64,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // A byte that nobody takes is gone, as on a wire.
        let _ = self.to.write_all(bytes);
        self.printed += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The devices of a machine.
pub(crate) struct Devices {
    serial: Serial<NoInterrupt, NoEvents, Output>,
    doorbell: DoorbellState,
    program: Arc<Ram>,
    /// Marks what the doorbell stores, which none of KVM's dirty logs sees.
    marker: Marker,
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Devices").field("doorbell", &self.doorbell).finish_non_exhaustive()
    }
}

impl Devices {
    pub(crate) fn new(output: Box<dyn Write + Send>, program: Arc<Ram>, marker: Marker) -> Self {
        let serial = Serial::new(NoInterrupt, Output { to: output, printed: 0 });
        Devices { serial, doorbell: DoorbellState::default(), program, marker }
    }

    /// Handles a write to a port. A port without a device ignores it.
    pub(crate) fn write(&mut self, port: u16, data: &[u8]) {
        if port == DOORBELL_PORT {
            return self.ring();
        }
        if let Some(offset) = serial_offset(port) {
            for byte in data {
                // Its interrupt and its output report no errors.
                let _ = self.serial.write(offset, *byte);
            }
        }
    }

    /// Handles a read from a port. A port without a device reads as all ones.
    pub(crate) fn read(&mut self, port: u16, data: &mut [u8]) {
        match serial_offset(port) {
            Some(offset) => data.fill_with(|| self.serial.read(offset)),
            None => data.fill(0xff),
        }
    }

    fn ring(&mut self) {
        self.doorbell.rings = self.doorbell.rings.wrapping_add(1);
        let word = &self.program.words()[DOORBELL as usize / size_of::<u64>()];
        let rings = self.doorbell.rings;
        self.marker.store((DOORBELL / PAGE) as usize, || word.store(rings, Ordering::Relaxed));
    }

    /// Returns the number of bytes printed, those before a move too.
    pub(crate) fn printed(&self) -> u64 {
        self.serial.writer().printed
    }

    pub(crate) fn state(&self) -> (SerialPortState, DoorbellState) {
        let state = self.serial.state();
        let mut in_buffer = [0; FIFO];
        let waiting = state.in_buffer.len().min(FIFO);
        in_buffer[..waiting].copy_from_slice(&state.in_buffer[..waiting]);
        let serial = SerialPortState {
            baud_divisor_low: state.baud_divisor_low,
            baud_divisor_high: state.baud_divisor_high,
            interrupt_enable: state.interrupt_enable,
            interrupt_identification: state.interrupt_identification,
            line_control: state.line_control,
            line_status: state.line_status,
            modem_control: state.modem_control,
            modem_status: state.modem_status,
            scratch: state.scratch,
            waiting: waiting as u8,
            in_buffer,
            printed: self.printed(),
        };
        (serial, self.doorbell)
    }

    /// Puts received states into the devices.
    pub(crate) fn set(&mut self, serial: &SerialPortState, doorbell: DoorbellState) {
        let waiting = usize::from(serial.waiting).min(FIFO);
        let state = SerialState {
            baud_divisor_low: serial.baud_divisor_low,
            baud_divisor_high: serial.baud_divisor_high,
            interrupt_enable: serial.interrupt_enable,
            interrupt_identification: serial.interrupt_identification,
            line_control: serial.line_control,
            line_status: serial.line_status,
            modem_control: serial.modem_control,
            modem_status: serial.modem_status,
            scratch: serial.scratch,
            in_buffer: serial.in_buffer[..waiting].to_vec(),
        };
        let writer = self.serial.writer_mut();
        let to = std::mem::replace(&mut writer.to, Box::new(std::io::sink()));
        let output = Output { to, printed: serial.printed };
        // It fails only for more bytes than the FIFO has room for.
        if let Ok(port) = Serial::from_state(&state, NoInterrupt, NoEvents, output) {
            self.serial = port;
        }
        self.doorbell = doorbell;
    }
}

/// Checks a received state of the serial port.
///
/// # Errors
///
/// If more bytes wait than there is room for.
pub(crate) fn check(serial: &SerialPortState) -> Result<(), RestoreError> {
    if usize::from(serial.waiting) > FIFO {
        return Err(RestoreError(format!(
            "{} bytes wait for the guest, and there is room for {FIFO}",
            serial.waiting
        )));
    }
    Ok(())
}

fn serial_offset(port: u16) -> Option<u8> {
    let offset = port.checked_sub(SERIAL_PORT)?;
    (offset < SERIAL_PORTS).then_some(offset as u8)
}
