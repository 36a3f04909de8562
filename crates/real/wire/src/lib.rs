//! QEMU's migration stream, version 3: one set of types that encodes it and decodes it.
//!
//! A stream is a [`FileHeader`] and then [`Record`]s. The head of a section is a record. Its
//! payload carries no length, so only a reader that knows the section can read it:
//! [`ram::RamRecord`]s for `ram`, [`vmstate::load`] for a device. A [`Footer`] closes it.
//!
//! ```
//! use wire::{Decoder, FileHeader, Footer, IdStr, Record, SectionHeader, Wire, vmstate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let timers = vmstate::CpuTimers { cpu_clock_offset: 5, ..Default::default() };
//! let header = SectionHeader { section_id: 0, idstr: IdStr::new("timer")?, instance_id: 0, version_id: 2 };
//! let mut out = Vec::new();
//! FileHeader.encode(&mut out);
//! Record::Full(header).encode(&mut out);
//! vmstate::save(&timers, &mut out);
//! Footer { section_id: 0 }.encode(&mut out);
//!
//! let mut input = Decoder::new(out.as_slice());
//! FileHeader::decode(&mut input)?;
//! let Record::Full(header) = Record::decode(&mut input)? else { panic!("a FULL record was written") };
//! let loaded: vmstate::CpuTimers = vmstate::load(&mut input, header.version_id)?;
//! Footer::expect(&mut input, header.section_id)?;
//! assert_eq!(loaded, timers);
//! # Ok(())
//! # }
//! ```
//!
//! # Why it is shaped so
//!
//! * Encoding appends to a `Vec<u8>` and cannot fail: constructors refuse values that the format
//!   cannot express ([`ValueError`]).
//! * Decoding trusts nothing: every length has a named bound before memory is allocated for it, and
//!   a [`DecodeError`] reports the byte, the section, what was expected and what was found. It
//!   refuses input that QEMU accepts but never writes, so that a decoded record encodes to the same
//!   bytes again.
//! * No I/O policy: [`Decoder`] works over any [`Read`], and reads more only when it must.
//!
//! # Caveats
//!
//! All integers are big-endian. The section of an unknown device has no length in the stream:
//! [`parser`] says how it finds the end.
//!
//! # Alternatives
//!
//! To inspect a stream that was saved to a file, use `lastref inspect`, or QEMU's
//! `scripts/analyze-migration.py`.
#![forbid(unsafe_code)]

mod command;
mod configuration;
mod decoder;
mod error;
mod frame;
mod idstr;
pub mod layout;
pub mod libvirt;
pub mod mapped_ram;
pub mod multifd;
pub mod parser;
pub mod ram;
mod record;
mod return_path;
pub mod vmdesc;
pub mod vmstate;
pub mod xbzrle;

use std::io::Read;

pub use command::{Command, DiscardRange, PageSizes, RamDiscard};
pub use configuration::{Configuration, MAX_CAPABILITIES, MAX_MACHINE_NAME};
pub use decoder::{CAPACITY, Decoder};
pub use error::{DecodeError, ValueError};
pub use idstr::{IdStr, IdStrError};
pub use record::{FILE_MAGIC, FILE_VERSION, FileHeader, Footer, Record, SectionHeader};
pub use return_path::{MAX_RETURN_MESSAGE, ReturnMessage};
pub use uuid::Uuid;
pub use vmdesc::{MAX_VM_DESCRIPTION, VmDescription};

/// Bytes of one page in the `ram` section (x86; QEMU's `TARGET_PAGE_SIZE`).
pub const TARGET_PAGE_SIZE: usize = 4096;

/// A piece of the stream, in both directions.
pub trait Wire: Sized {
    /// Appends the piece to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the piece from `input`, at its current offset.
    ///
    /// # Errors
    /// If the stream ends, its reader fails, or the bytes are not such a piece.
    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Self, DecodeError>;
}

/// Appends integers in the byte order of the stream, as [`Decoder::be32`] and its siblings read
/// them.
trait Put {
    fn put_be16(&mut self, value: u16);
    fn put_be32(&mut self, value: u32);
    fn put_be64(&mut self, value: u64);
}

impl Put for Vec<u8> {
    fn put_be16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_be32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_be64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }
}

/// Helpers of the unit tests: encode a value, and decode it from a slice.
#[cfg(test)]
mod testing {
    use super::{DecodeError, Decoder, Wire};

    pub(crate) fn encoded(value: &impl Wire) -> Vec<u8> {
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    }

    pub(crate) fn decoded<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
        T::decode(&mut Decoder::new(bytes))
    }

    /// Checks that `value` encodes to exactly `bytes`, that `bytes` decode to `value` with nothing
    /// left, and that any shorter piece of them is refused as the end of the stream.
    #[track_caller]
    pub(crate) fn golden<T: Wire + PartialEq + std::fmt::Debug>(value: &T, bytes: &[u8]) {
        assert_eq!(encoded(value), bytes);
        let mut input = Decoder::new(bytes);
        assert_eq!(&T::decode(&mut input).expect("golden bytes decode"), value);
        assert_eq!(input.offset(), bytes.len() as u64);
        for len in 0..bytes.len() {
            let error = decoded::<T>(&bytes[..len]).expect_err("cut bytes are refused");
            assert!(error.is_end_of_stream(), "cut at {len}: {error}");
        }
    }

    /// Checks that `bytes` are refused with exactly this text.
    #[track_caller]
    pub(crate) fn refused<T: Wire + std::fmt::Debug>(bytes: &[u8], text: &str) {
        assert_eq!(decoded::<T>(bytes).expect_err("refused").to_string(), text);
    }
}
