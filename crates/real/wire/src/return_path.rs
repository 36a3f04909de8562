//! The return path: messages from the destination to the source.
//!
//! QEMU: `enum mig_rp_message_type` (`migration/migration.h`), `rp_cmd_args`,
//! `source_return_path_thread` (`migration/migration.c`).

use std::io::Read;

use crate::frame::{self, Family, Head};
use crate::{DecodeError, Decoder, IdStr, Put, Wire};

/// Maximum payload of a return-path message, in bytes.
pub const MAX_RETURN_MESSAGE: u16 = 512;

const FAMILY: Family = Family {
    name: "return-path message",
    max_len: MAX_RETURN_MESSAGE,
    kinds: &[
        ("SHUT", &[4]),
        ("PONG", &[4]),
        ("REQ_PAGES_ID", &[]),
        ("REQ_PAGES", &[12]),
        ("RECV_BITMAP", &[]),
        ("RESUME_ACK", &[4]),
        ("SWITCHOVER_ACK", &[0]),
    ],
};

/// A message of the destination. Starts and lengths are in bytes of a RAM block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnMessage {
    /// The destination sends nothing more; 0 means success.
    Shut(u32),
    /// The answer to [`crate::Command::Ping`] of this value.
    Pong(u32),
    /// A request for pages of the block that the last [`ReturnMessage::ReqPagesId`] named.
    ReqPages {
        /// Offset of the first byte in the block.
        start: u64,
        /// Number of bytes.
        len: u32,
    },
    /// A request for pages of `block`.
    ReqPagesId {
        /// Offset of the first byte in the block.
        start: u64,
        /// Number of bytes.
        len: u32,
        /// The RAM block.
        block: IdStr,
    },
    /// A bitmap of the received pages of this block follows, outside the frame.
    RecvBitmap(IdStr),
    /// The destination is ready to resume postcopy; QEMU sends and requires 1.
    ResumeAck(u32),
    /// The destination agrees to the switchover.
    SwitchoverAck,
}

impl ReturnMessage {
    /// Returns QEMU's name of the message, for instance `REQ_PAGES`.
    pub fn name(&self) -> &'static str {
        FAMILY.kind_name(self.number())
    }

    fn number(&self) -> u16 {
        match self {
            ReturnMessage::Shut(_) => 1,
            ReturnMessage::Pong(_) => 2,
            ReturnMessage::ReqPagesId { .. } => 3,
            ReturnMessage::ReqPages { .. } => 4,
            ReturnMessage::RecvBitmap(_) => 5,
            ReturnMessage::ResumeAck(_) => 6,
            ReturnMessage::SwitchoverAck => 7,
        }
    }
}

impl Wire for ReturnMessage {
    fn encode(&self, out: &mut Vec<u8>) {
        frame::encode(out, self.number(), |out| match self {
            ReturnMessage::Shut(value)
            | ReturnMessage::Pong(value)
            | ReturnMessage::ResumeAck(value) => out.put_be32(*value),
            ReturnMessage::ReqPages { start, len } => {
                out.put_be64(*start);
                out.put_be32(*len);
            }
            ReturnMessage::ReqPagesId { start, len, block } => {
                out.put_be64(*start);
                out.put_be32(*len);
                block.encode(out);
            }
            ReturnMessage::RecvBitmap(block) => block.encode(out),
            ReturnMessage::SwitchoverAck => {}
        });
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<ReturnMessage, DecodeError> {
        let head = Head::decode(input, &FAMILY)?;
        Ok(match head.number {
            1 => ReturnMessage::Shut(input.be32("value of SHUT")?),
            2 => ReturnMessage::Pong(input.be32("value of PONG")?),
            3 | 4 => {
                if head.number == 3 {
                    head.check_room_for_name(input, 12)?;
                }
                let start = input.be64("start of the wanted pages")?;
                let len = input.be32("length of the wanted pages")?;
                if head.number == 4 {
                    return Ok(ReturnMessage::ReqPages { start, len });
                }
                head.check_name(input, 12)?;
                ReturnMessage::ReqPagesId { start, len, block: IdStr::decode(input)? }
            }
            5 => {
                head.check_room_for_name(input, 0)?;
                head.check_name(input, 0)?;
                ReturnMessage::RecvBitmap(IdStr::decode(input)?)
            }
            6 => ReturnMessage::ResumeAck(input.be32("value of RESUME_ACK")?),
            7 => ReturnMessage::SwitchoverAck,
            _ => return Err(head.unknown(input)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, refused};

    #[test]
    fn every_message_has_its_golden_bytes() {
        let block = IdStr::new("ram").unwrap();
        golden(&ReturnMessage::Shut(1), b"\0\x01\0\x04\0\0\0\x01");
        golden(&ReturnMessage::Pong(0x42), b"\0\x02\0\x04\0\0\0\x42");
        golden(
            &ReturnMessage::ReqPagesId { start: 0x3000, len: 0x1000, block: block.clone() },
            b"\0\x03\0\x10\0\0\0\0\0\0\x30\0\0\0\x10\0\x03ram",
        );
        golden(
            &ReturnMessage::ReqPages { start: 0x3000, len: 0x1000 },
            b"\0\x04\0\x0c\0\0\0\0\0\0\x30\0\0\0\x10\0",
        );
        golden(&ReturnMessage::RecvBitmap(block), b"\0\x05\0\x04\x03ram");
        golden(&ReturnMessage::ResumeAck(1), b"\0\x06\0\x04\0\0\0\x01");
        golden(&ReturnMessage::SwitchoverAck, b"\0\x07\0\0");
        assert_eq!(ReturnMessage::ReqPages { start: 0, len: 0 }.name(), "REQ_PAGES");
    }

    #[test]
    fn unknown_messages_and_wrong_lengths_are_refused_by_name() {
        refused::<ReturnMessage>(
            b"\0\x08\0\0",
            "at byte 0: expected return-path message number 1 to 7, found number 8 with 0 bytes",
        );
        refused::<ReturnMessage>(
            b"\0\x01\x02\x01",
            "at byte 0: expected return-path message with at most 512 bytes of payload, found number 1 with 513 bytes",
        );
        refused::<ReturnMessage>(
            b"\0\x02\0\0",
            "at byte 0: expected return-path message PONG with 4 bytes of payload, found 0 bytes",
        );
        refused::<ReturnMessage>(
            b"\0\x03\0\x0d\0\0\0\0\0\0\x30\0\0\0\x10\0\x03ram",
            "at byte 0: expected return-path message REQ_PAGES_ID with 16 bytes of payload, found 13 bytes",
        );
        // No bytes follow, so a wait for them would end the stream.
        for len in [0, 11, 12] {
            refused::<ReturnMessage>(
                &[0, 3, 0, len],
                &format!(
                    "at byte 0: expected return-path message REQ_PAGES_ID with at least 13 bytes of \
                     payload, found {len} bytes"
                ),
            );
        }
        refused::<ReturnMessage>(
            b"\0\x05\0\0",
            "at byte 0: expected return-path message RECV_BITMAP with at least 1 bytes of payload, found 0 bytes",
        );
        refused::<ReturnMessage>(
            b"\0\x05\0\x03\x03ram",
            "at byte 0: expected return-path message RECV_BITMAP with 4 bytes of payload, found 3 bytes",
        );
    }
}
