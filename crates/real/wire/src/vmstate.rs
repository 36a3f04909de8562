//! Device state: one list of fields serves saving, loading and the VM description.
//!
//! Fields come in declaration order, without tags. QEMU: `VMDeviceDescription`,
//! `vmstate_save_state`, `vmstate_load_state`, `vmstate_subsection_load` (`migration/vmstate.c`),
//! `migration/vmstate-types.c`.

use std::io::Read;

use crate::configuration::SUBSECTION;
use crate::vmdesc::{DeviceDescription, Field};
use crate::{DecodeError, Decoder, ValueError};

/// A visitor of the fields of a state, which writes or reads them.
pub trait Fields {
    /// Returns the version of the section. Fields of later versions are left out.
    fn version(&self) -> u32;

    /// Visits a field that is `bytes` in the stream; `kind` is QEMU's name of its encoding.
    ///
    /// # Errors
    /// If the stream ends or its reader fails, as in all methods below.
    fn field(
        &mut self,
        name: &'static str,
        kind: &'static str,
        bytes: &mut [u8],
    ) -> Result<(), DecodeError>;

    /// Visits `len` unused bytes: writes zeros, and ignores what it reads.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn unused(&mut self, len: usize) -> Result<(), DecodeError>;

    /// Visits a boolean: one byte, true unless it is 0.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn boolean(&mut self, name: &'static str, value: &mut bool) -> Result<(), DecodeError> {
        let mut bytes = [u8::from(*value)];
        self.field(name, "bool", &mut bytes)?;
        *value = bytes != [0];
        Ok(())
    }

    /// Visits an 8-bit integer.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn u8(&mut self, name: &'static str, value: &mut u8) -> Result<(), DecodeError> {
        self.field(name, "uint8", std::slice::from_mut(value))
    }

    /// Visits a 16-bit integer.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn u16(&mut self, name: &'static str, value: &mut u16) -> Result<(), DecodeError> {
        let mut bytes = value.to_be_bytes();
        self.field(name, "uint16", &mut bytes)?;
        *value = u16::from_be_bytes(bytes);
        Ok(())
    }

    /// Visits a 32-bit integer.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn u32(&mut self, name: &'static str, value: &mut u32) -> Result<(), DecodeError> {
        let mut bytes = value.to_be_bytes();
        self.field(name, "uint32", &mut bytes)?;
        *value = u32::from_be_bytes(bytes);
        Ok(())
    }

    /// Visits a 64-bit integer.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn u64(&mut self, name: &'static str, value: &mut u64) -> Result<(), DecodeError> {
        let mut bytes = value.to_be_bytes();
        self.field(name, "uint64", &mut bytes)?;
        *value = u64::from_be_bytes(bytes);
        Ok(())
    }

    /// Visits a signed 64-bit integer, in two's complement.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn i64(&mut self, name: &'static str, value: &mut i64) -> Result<(), DecodeError> {
        let mut bytes = value.to_be_bytes();
        self.field(name, "int64", &mut bytes)?;
        *value = i64::from_be_bytes(bytes);
        Ok(())
    }

    /// Visits raw bytes.
    ///
    /// # Errors
    /// As [`Fields::field`].
    fn buffer(&mut self, name: &'static str, value: &mut [u8]) -> Result<(), DecodeError> {
        self.field(name, "buffer", value)
    }
}

/// The state of one device, the payload of a FULL section.
pub trait VmState: Default {
    /// The name of the VMState description.
    const NAME: &'static str;
    /// The version that [`save`] writes, and the newest that [`load`] reads.
    const VERSION: u32;
    /// The oldest version that [`load`] reads.
    const MINIMUM_VERSION: u32;

    /// Passes all fields to `f`, in the order of the stream.
    ///
    /// # Errors
    /// Those of `f`, and no others.
    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError>;
}

/// Appends `state` to `out` and returns its layout.
///
/// # Panics
/// If [`VmState::fields`] returns an error of its own: writing has none.
pub fn save<S: VmState + Clone>(state: &S, out: &mut Vec<u8>) -> DeviceDescription {
    let mut saver = Saver { version: S::VERSION, out, fields: Vec::new() };
    state
        .clone()
        .fields(&mut saver)
        .expect("`fields` returns only the errors of the visitor, and this one has none");
    DeviceDescription { vmsd_name: S::NAME, version: S::VERSION, fields: saver.fields }
}

/// Reads a state that was written in format `version`. Also waits for the byte after it, which
/// shows whether a subsection follows.
///
/// # Errors
/// If the stream ends, its reader fails, the version is unknown, or a subsection of the device
/// follows, since none is supported.
pub fn load<S: VmState, R: Read>(input: &mut Decoder<R>, version: u32) -> Result<S, DecodeError> {
    if !(S::MINIMUM_VERSION..=S::VERSION).contains(&version) {
        let expected = format!("version {} to {} of {}", S::MINIMUM_VERSION, S::VERSION, S::NAME);
        return Err(input.error(expected, format!("version {version}")));
    }
    let mut state = S::default();
    state.fields(&mut Loader { version, device: S::NAME, input })?;
    refuse_subsection(S::NAME, input)?;
    Ok(state)
}

/// Refuses a subsection of `device`, which begins with the name of the device. Any other is left in
/// the stream, and the next reader refuses it.
fn refuse_subsection<R: Read>(device: &str, input: &mut Decoder<R>) -> Result<(), DecodeError> {
    if input.peek_u8()? != Some(SUBSECTION) {
        return Ok(());
    }
    let len = input.peek(2)?.get(1).map_or(0, |len| usize::from(*len));
    let name = input.peek(2 + len)?.get(2..).unwrap_or_default();
    if !name.strip_prefix(device.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")) {
        return Ok(());
    }
    let found = format!("subsection \"{}\"", name.escape_ascii());
    Err(input.error(format!("no subsection of {device}"), found))
}

struct Saver<'a> {
    version: u32,
    out: &'a mut Vec<u8>,
    fields: Vec<Field>,
}

impl Fields for Saver<'_> {
    fn version(&self) -> u32 {
        self.version
    }

    fn field(
        &mut self,
        name: &'static str,
        kind: &'static str,
        bytes: &mut [u8],
    ) -> Result<(), DecodeError> {
        self.out.extend_from_slice(bytes);
        self.fields.push(Field { name, kind, size: bytes.len() });
        Ok(())
    }

    fn unused(&mut self, len: usize) -> Result<(), DecodeError> {
        self.out.resize(self.out.len() + len, 0);
        self.fields.push(Field { name: "unused", kind: "unused_buffer", size: len });
        Ok(())
    }
}

struct Loader<'a, R> {
    version: u32,
    device: &'static str,
    input: &'a mut Decoder<R>,
}

impl<R> Loader<'_, R> {
    fn naming(&self, name: &str, error: DecodeError) -> DecodeError {
        DecodeError { expected: format!("field `{name}` of {}", self.device), ..error }
    }
}

impl<R: Read> Fields for Loader<'_, R> {
    fn version(&self) -> u32 {
        self.version
    }

    fn field(
        &mut self,
        name: &'static str,
        _kind: &'static str,
        bytes: &mut [u8],
    ) -> Result<(), DecodeError> {
        for piece in bytes.chunks_mut(self.input.capacity()) {
            match self.input.take(piece.len(), name) {
                Ok(taken) => piece.copy_from_slice(taken),
                Err(error) => return Err(self.naming(name, error)),
            }
        }
        Ok(())
    }

    fn unused(&mut self, len: usize) -> Result<(), DecodeError> {
        self.input.skip(len as u64, "unused").map_err(|error| self.naming("unused", error))
    }
}

/// Section `globalstate`: the run state of the source VM before it was stopped for the migration.
///
/// QEMU: `vmstate_globalstate` (`migration/global_state.c`). Up to 8.1 the run state had 100 bytes;
/// later versions use some of them for two flags about a suspended VM. This type keeps the flags,
/// so that it writes a state as it read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalState {
    size: u32,
    runstate: [u8; 32],
    has_vm_was_suspended: u8,
    vm_was_suspended: u8,
}

impl GlobalState {
    /// Makes the state of a VM that was in `runstate`, a name of QAPI's `RunState`, for instance
    /// `running`.
    ///
    /// # Errors
    /// [`ValueError::RunState`] if it is empty, longer than 31 bytes or contains a NUL.
    pub fn new(runstate: &str) -> Result<GlobalState, ValueError> {
        let mut state = GlobalState { size: runstate.len() as u32 + 1, ..GlobalState::default() };
        match state.runstate.get_mut(..runstate.len()) {
            Some(text) if text.len() < 32 => text.copy_from_slice(runstate.as_bytes()),
            _ => {
                return Err(ValueError::RunState { text: runstate.into() });
            }
        }
        state.runstate()?;
        Ok(state)
    }

    /// Returns the run state. The caller checks that it is one of QEMU's.
    ///
    /// # Errors
    /// [`ValueError::RunState`] if the loaded bytes are not a text of 1 to 31 bytes and a closing
    /// NUL, or the size does not match.
    pub fn runstate(&self) -> Result<&str, ValueError> {
        let text = self.runstate.split(|byte| *byte == 0).next().unwrap_or_default();
        match std::str::from_utf8(text) {
            Ok(runstate)
                if (1..32).contains(&text.len()) && self.size as usize == text.len() + 1 =>
            {
                Ok(runstate)
            }
            _ => Err(ValueError::RunState { text: self.runstate.escape_ascii().to_string() }),
        }
    }
}

impl VmState for GlobalState {
    const NAME: &'static str = "globalstate";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        f.u32("size", &mut self.size)?;
        f.buffer("runstate", &mut self.runstate)?;
        f.u8("has_vm_was_suspended", &mut self.has_vm_was_suspended)?;
        f.u8("vm_was_suspended", &mut self.vm_was_suspended)?;
        f.unused(66)
    }
}

/// Section `timer`, instance 0: the offsets of the guest's clocks.
///
/// QEMU: `vmstate_timers` (`softmmu/cpu-timers.c`, later `system/cpu-timers.c`). Its subsections
/// belong to instruction counting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuTimers {
    /// Offset of the guest's cycle counter to the host's, in cycles.
    pub cpu_ticks_offset: i64,
    /// Offset of the guest's clock to the host's, in ns; since version 2.
    pub cpu_clock_offset: i64,
}

impl VmState for CpuTimers {
    const NAME: &'static str = "timer";
    const VERSION: u32 = 2;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        f.i64("cpu_ticks_offset", &mut self.cpu_ticks_offset)?;
        f.unused(8)?;
        if f.version() >= 2 {
            f.i64("cpu_clock_offset", &mut self.cpu_clock_offset)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded<S: VmState>(bytes: &[u8], version: u32) -> Result<S, DecodeError> {
        load(&mut Decoder::new(bytes), version)
    }

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Every {
        flag: bool,
        byte: u8,
        half: u16,
        word: u32,
        long: u64,
        signed: i64,
        raw: [u8; 3],
    }

    impl VmState for Every {
        const NAME: &'static str = "every";
        const VERSION: u32 = 3;
        const MINIMUM_VERSION: u32 = 3;

        fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
            f.boolean("flag", &mut self.flag)?;
            f.u8("byte", &mut self.byte)?;
            f.u16("half", &mut self.half)?;
            f.u32("word", &mut self.word)?;
            f.u64("long", &mut self.long)?;
            f.i64("signed", &mut self.signed)?;
            f.buffer("raw", &mut self.raw)?;
            f.unused(2)
        }
    }

    #[test]
    fn every_kind_of_field_has_its_golden_bytes_and_its_description() {
        let state = Every {
            flag: true,
            byte: 2,
            half: 0x0304,
            word: 5,
            long: 6 << 32,
            signed: -2,
            raw: *b"raw",
        };
        let bytes =
            b"\x01\x02\x03\x04\0\0\0\x05\0\0\0\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xferaw\0\0";
        let mut out = Vec::new();
        let description = save(&state, &mut out);
        assert_eq!(out, bytes);
        assert_eq!((description.vmsd_name, description.version), ("every", 3));
        let fields: Vec<_> = description.fields.iter().map(|f| (f.name, f.kind, f.size)).collect();
        assert_eq!(
            fields,
            [
                ("flag", "bool", 1),
                ("byte", "uint8", 1),
                ("half", "uint16", 2),
                ("word", "uint32", 4),
                ("long", "uint64", 8),
                ("signed", "int64", 8),
                ("raw", "buffer", 3),
                ("unused", "unused_buffer", 2),
            ]
        );
        assert_eq!(loaded::<Every>(bytes, 3).unwrap(), state);
        out[0] = 0x80;
        assert_eq!(loaded::<Every>(&out, 3).unwrap(), state);
    }

    #[test]
    fn a_field_younger_than_the_section_is_not_in_it() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9];
        let mut input = Decoder::new(&bytes[..]);
        let timers: CpuTimers = load(&mut input, 1).unwrap();
        assert_eq!(
            (timers, input.offset()),
            (CpuTimers { cpu_ticks_offset: 7, cpu_clock_offset: 0 }, 16)
        );
        assert_eq!(
            loaded::<CpuTimers>(&bytes, 2).unwrap(),
            CpuTimers { cpu_ticks_offset: 7, cpu_clock_offset: 9 }
        );
    }

    #[test]
    fn unknown_versions_and_cut_fields_are_refused_by_device_and_field() {
        for version in [0, 3] {
            assert_eq!(
                loaded::<CpuTimers>(&[0; 24], version).unwrap_err().to_string(),
                format!("at byte 0: expected version 1 to 2 of timer, found version {version}")
            );
        }
        assert_eq!(
            loaded::<GlobalState>(&[0; 3], 1).unwrap_err().to_string(),
            "at byte 0: expected field `size` of globalstate, found end of stream after 3 of 4 bytes"
        );
        let error = loaded::<GlobalState>(&[0; 40], 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "at byte 38: expected field `unused` of globalstate, found end of stream after 2 of 66 bytes"
        );
        assert!(error.is_end_of_stream());
    }

    #[test]
    fn a_subsection_of_the_device_is_refused_and_any_other_is_left() {
        let with = |rest: &[u8]| [&[0; 24], rest].concat();
        assert_eq!(
            loaded::<CpuTimers>(&with(b"\x05\x0ctimer/icount\0\0\0\x01"), 2)
                .unwrap_err()
                .to_string(),
            "at byte 24: expected no subsection of timer, found subsection \"timer/icount\""
        );
        for rest in [
            &b"\x05\x06rtc/td\0\0\0\x01"[..],
            b"\x05\x06timer2",
            b"\x05",
            b"\x05\x20timer",
            b"\x7e",
        ] {
            let bytes = with(rest);
            let mut input = Decoder::new(bytes.as_slice());
            load::<CpuTimers, _>(&mut input, 2).unwrap();
            assert_eq!(input.take(rest.len(), "rest").unwrap(), rest);
        }
    }

    #[test]
    fn globalstate_has_its_golden_bytes() {
        let state = GlobalState::new("prelaunch").unwrap();
        let mut out = Vec::new();
        save(&state, &mut out);
        assert_eq!(out, [b"\0\0\0\x0aprelaunch".as_slice(), &[0; 91]].concat());
        let read = loaded::<GlobalState>(&out, 1).unwrap();
        assert_eq!(read.runstate().unwrap(), "prelaunch");
        assert_eq!(read, state);
    }

    #[test]
    fn a_run_state_that_is_no_counted_text_is_refused() {
        for text in ["", "a\0b", &"x".repeat(32), &"x".repeat(33)] {
            GlobalState::new(text).unwrap_err();
        }
        GlobalState::new(&"x".repeat(31)).unwrap();
        for (size, text) in [(3, "a"), (0, "a"), (1, ""), (33, &*"x".repeat(32)), (u32::MAX, "a")] {
            let mut bytes = [size.to_be_bytes().as_slice(), text.as_bytes()].concat();
            bytes.resize(104, 0);
            loaded::<GlobalState>(&bytes, 1).unwrap().runstate().unwrap_err();
        }
        let error =
            loaded::<GlobalState>(&[0xff; 104], 1).unwrap().runstate().unwrap_err().to_string();
        assert!(error.starts_with("run state \"\\\\xff"), "{error}");
    }
}
