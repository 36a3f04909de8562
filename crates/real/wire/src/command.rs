//! Commands: messages from the source to the destination, between sections.
//!
//! QEMU: `enum qemu_vm_cmd`, `mig_cmd_args`, `loadvm_process_command` (`migration/savevm.c`).

use std::io::Read;

use crate::frame::{self, Family, Head};
use crate::{DecodeError, Decoder, IdStr, Put, ValueError, Wire};

const FAMILY: Family = Family {
    name: "command",
    max_len: u16::MAX,
    kinds: &[
        ("OPEN_RETURN_PATH", &[0]),
        ("PING", &[4]),
        ("POSTCOPY_ADVISE", &[0, 16]),
        ("POSTCOPY_LISTEN", &[0]),
        ("POSTCOPY_RUN", &[0]),
        ("POSTCOPY_RAM_DISCARD", &[]),
        ("PACKAGED", &[4]),
        ("ENABLE_COLO", &[0]),
        ("POSTCOPY_RESUME", &[0]),
        ("RECV_BITMAP", &[]),
        ("SWITCHOVER_START", &[0]),
    ],
};

/// A command, the body of record 0x08.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The destination shall open the return path.
    OpenReturnPath,
    /// The destination shall answer with [`crate::ReturnMessage::Pong`] of the same value.
    Ping(u32),
    /// Postcopy may follow; with page sizes if RAM takes part in it.
    PostcopyAdvise(Option<PageSizes>),
    /// The destination shall listen for page faults.
    PostcopyListen,
    /// The destination shall run.
    PostcopyRun,
    /// Ranges of a RAM block that the destination shall drop.
    PostcopyRamDiscard(RamDiscard),
    /// This many bytes of embedded stream follow the command. Any 32-bit number is legal; the
    /// reader bounds it.
    Packaged(u32),
    /// COLO checkpoints will follow.
    EnableColo,
    /// A broken postcopy resumes.
    PostcopyResume,
    /// The destination shall send its bitmap of received pages of this RAM block.
    RecvBitmap(IdStr),
    /// The source has stopped its VM and begins the switchover (QEMU 10.0 and newer).
    SwitchoverStart,
}

/// The page sizes of [`Command::PostcopyAdvise`], in bytes; both must equal the destination's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSizes {
    /// Bitwise OR of the page sizes of all RAM blocks.
    pub summary: u64,
    /// The target page size.
    pub target: u64,
}

/// Bytes of a RAM block that the destination shall drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscardRange {
    /// Offset of the first byte in the block.
    pub start: u64,
    /// Number of bytes.
    pub length: u64,
}

/// The payload of [`Command::PostcopyRamDiscard`].
///
/// # Invariants
/// It has at least one range, and all of them fit the 16-bit length of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RamDiscard {
    block: IdStr,
    ranges: Vec<DiscardRange>,
}

impl RamDiscard {
    /// Makes the payload that drops `ranges` of `block`.
    ///
    /// # Errors
    /// [`ValueError::DiscardRanges`] if there is no range, or more than fit (about 4000; QEMU
    /// itself sends at most 12).
    pub fn new(block: IdStr, ranges: Vec<DiscardRange>) -> Result<RamDiscard, ValueError> {
        let count = ranges.len();
        let room = usize::from(u16::MAX) - 3 - block.len();
        if count == 0 || count > room / 16 {
            return Err(ValueError::DiscardRanges { count });
        }
        Ok(RamDiscard { block, ranges })
    }

    /// Returns the block.
    pub fn block(&self) -> &IdStr {
        &self.block
    }

    /// Returns the ranges, at least one.
    pub fn ranges(&self) -> &[DiscardRange] {
        &self.ranges
    }

    fn decode<R: Read>(input: &mut Decoder<R>, head: &Head) -> Result<RamDiscard, DecodeError> {
        zero(input, "version 0 of the discard command")?;
        if let Some(name) = input.peek_u8()? {
            let others = 3 + u16::from(name);
            if !head.len.checked_sub(others).is_some_and(|len| len >= 16 && len % 16 == 0) {
                return Err(head.wrong_len(input, &format!("{others} + n × 16 (n ≥ 1)")));
            }
        }
        let block = IdStr::decode(input)?;
        zero(input, "zero after the name of the block")?;
        let count = usize::from(head.len).saturating_sub(3 + block.len()) / 16;
        let mut ranges = Vec::with_capacity(count);
        for _ in 0..count {
            let start = input.be64("start of a discard range")?;
            let length = input.be64("length of a discard range")?;
            ranges.push(DiscardRange { start, length });
        }
        Ok(RamDiscard { block, ranges })
    }
}

fn zero<R: Read>(input: &mut Decoder<R>, expected: &'static str) -> Result<(), DecodeError> {
    let at = input.offset();
    match input.u8(expected)? {
        0 => Ok(()),
        other => Err(input.error_at(at, expected, format!("{other:#04x}"))),
    }
}

impl Command {
    /// Returns QEMU's name of the command, for instance `OPEN_RETURN_PATH`.
    pub fn name(&self) -> &'static str {
        FAMILY.kind_name(self.number())
    }

    /// Returns whether a command may have this number and length.
    pub(crate) fn is_head(number: u16, len: u16) -> bool {
        FAMILY.accepts(number, len)
    }

    fn number(&self) -> u16 {
        match self {
            Command::OpenReturnPath => 1,
            Command::Ping(_) => 2,
            Command::PostcopyAdvise(_) => 3,
            Command::PostcopyListen => 4,
            Command::PostcopyRun => 5,
            Command::PostcopyRamDiscard(_) => 6,
            Command::Packaged(_) => 7,
            Command::EnableColo => 8,
            Command::PostcopyResume => 9,
            Command::RecvBitmap(_) => 10,
            Command::SwitchoverStart => 11,
        }
    }
}

impl Wire for Command {
    fn encode(&self, out: &mut Vec<u8>) {
        frame::encode(out, self.number(), |out| match self {
            Command::Ping(value) => out.put_be32(*value),
            Command::PostcopyAdvise(Some(sizes)) => {
                out.put_be64(sizes.summary);
                out.put_be64(sizes.target);
            }
            Command::PostcopyRamDiscard(discard) => {
                out.push(0);
                discard.block.encode(out);
                out.push(0);
                for range in &discard.ranges {
                    out.put_be64(range.start);
                    out.put_be64(range.length);
                }
            }
            Command::Packaged(len) => out.put_be32(*len),
            Command::RecvBitmap(block) => block.encode(out),
            Command::OpenReturnPath
            | Command::PostcopyAdvise(None)
            | Command::PostcopyListen
            | Command::PostcopyRun
            | Command::EnableColo
            | Command::PostcopyResume
            | Command::SwitchoverStart => {}
        });
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Command, DecodeError> {
        let head = Head::decode(input, &FAMILY)?;
        Ok(match head.number {
            1 => Command::OpenReturnPath,
            2 => Command::Ping(input.be32("value of PING")?),
            3 if head.len == 0 => Command::PostcopyAdvise(None),
            3 => Command::PostcopyAdvise(Some(PageSizes {
                summary: input.be64("page sizes of the RAM blocks")?,
                target: input.be64("target page size")?,
            })),
            4 => Command::PostcopyListen,
            5 => Command::PostcopyRun,
            6 => Command::PostcopyRamDiscard(RamDiscard::decode(input, &head)?),
            7 => Command::Packaged(input.be32("length of the package")?),
            8 => Command::EnableColo,
            9 => Command::PostcopyResume,
            10 => {
                head.check_room_for_name(input, 0)?;
                head.check_name(input, 0)?;
                Command::RecvBitmap(IdStr::decode(input)?)
            }
            11 => Command::SwitchoverStart,
            _ => return Err(head.unknown(input)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{decoded, encoded, golden, refused};

    fn ram() -> IdStr {
        IdStr::new("ram").unwrap()
    }

    #[test]
    fn every_command_has_its_golden_bytes() {
        golden(&Command::OpenReturnPath, b"\0\x01\0\0");
        golden(&Command::Ping(0x42), b"\0\x02\0\x04\0\0\0\x42");
        golden(&Command::PostcopyAdvise(None), b"\0\x03\0\0");
        golden(
            &Command::PostcopyAdvise(Some(PageSizes { summary: 0x20_1000, target: 0x1000 })),
            b"\0\x03\0\x10\0\0\0\0\0\x20\x10\0\0\0\0\0\0\0\x10\0",
        );
        golden(&Command::PostcopyListen, b"\0\x04\0\0");
        golden(&Command::PostcopyRun, b"\0\x05\0\0");
        let ranges = vec![DiscardRange { start: 0x1000, length: 0x2000 }];
        golden(
            &Command::PostcopyRamDiscard(RamDiscard::new(ram(), ranges).unwrap()),
            b"\0\x06\0\x16\0\x03ram\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x20\0",
        );
        golden(&Command::Packaged(0x1_0000), b"\0\x07\0\x04\0\x01\0\0");
        golden(&Command::EnableColo, b"\0\x08\0\0");
        golden(&Command::PostcopyResume, b"\0\x09\0\0");
        golden(&Command::RecvBitmap(ram()), b"\0\x0a\0\x04\x03ram");
        golden(&Command::SwitchoverStart, b"\0\x0b\0\0");
        assert_eq!(Command::OpenReturnPath.name(), "OPEN_RETURN_PATH");
        assert_eq!(Command::SwitchoverStart.name(), "SWITCHOVER_START");
    }

    #[test]
    fn unknown_commands_and_wrong_lengths_are_refused_by_name() {
        refused::<Command>(
            b"\0\0\0\x02",
            "at byte 0: expected command number 1 to 11, found number 0 with 2 bytes",
        );
        refused::<Command>(
            b"\0\x0c\0\0",
            "at byte 0: expected command number 1 to 11, found number 12 with 0 bytes",
        );
        refused::<Command>(
            b"\0\x02\0\x05",
            "at byte 0: expected command PING with 4 bytes of payload, found 5 bytes",
        );
        refused::<Command>(
            b"\0\x03\0\x08",
            "at byte 0: expected command POSTCOPY_ADVISE with 0 or 16 bytes of payload, found 8 bytes",
        );
        refused::<Command>(
            b"\0\x0a\0\x05\x03ram",
            "at byte 0: expected command RECV_BITMAP with 4 bytes of payload, found 5 bytes",
        );
        refused::<Command>(
            b"\0\x0a\0\0",
            "at byte 0: expected command RECV_BITMAP with at least 1 bytes of payload, found 0 bytes",
        );
        for len in [5, 6, 21, 23] {
            refused::<Command>(
                &[0, 6, 0, len, 0, 3],
                &format!(
                    "at byte 0: expected command POSTCOPY_RAM_DISCARD with 6 + n × 16 (n ≥ 1) bytes of payload, \
                     found {len} bytes"
                ),
            );
        }
        refused::<Command>(
            b"\0\x06\0\x16\x01",
            "at byte 4: expected version 0 of the discard command, found 0x01",
        );
        refused::<Command>(
            b"\0\x06\0\x16\0\x03ram\x07",
            "at byte 9: expected zero after the name of the block, found 0x07",
        );
    }

    #[test]
    fn a_discard_command_holds_one_range_to_a_full_frame() {
        let range = DiscardRange { start: 0, length: 0x1000 };
        assert_eq!(
            RamDiscard::new(ram(), vec![]).unwrap_err().to_string(),
            "0 ranges in one discard command"
        );
        let full = RamDiscard::new(ram(), vec![range; 4095]).unwrap();
        assert_eq!(full.ranges().len(), 4095);
        let full = Command::PostcopyRamDiscard(full);
        assert_eq!(decoded::<Command>(&encoded(&full)).unwrap(), full);
        RamDiscard::new(ram(), vec![range; 4096]).unwrap_err();
    }
}
