//! The frame that commands and return-path messages share: a number, a length, and a payload of
//! that length.

use std::io::Read;

use crate::{DecodeError, Decoder, Put};

/// A set of numbered frames: numbers count from 1, in the order of `kinds`.
pub(crate) struct Family {
    /// The name of such a frame in errors.
    pub(crate) name: &'static str,
    /// Upper bound of a payload, in bytes.
    pub(crate) max_len: u16,
    /// QEMU's name of each kind, and the payload lengths it may have, in bytes. An empty list means
    /// that the length depends on the payload.
    pub(crate) kinds: &'static [(&'static str, &'static [u16])],
}

impl Family {
    /// Returns QEMU's name of kind `number`.
    pub(crate) fn kind_name(&self, number: u16) -> &'static str {
        self.kind(number).map_or("unknown", |kind| kind.0)
    }

    /// Returns whether kind `number` exists and may have a payload of `len` bytes.
    pub(crate) fn accepts(&self, number: u16, len: u16) -> bool {
        self.kind(number).is_some_and(|(_, lens)| lens.is_empty() || lens.contains(&len))
    }

    fn kind(&self, number: u16) -> Option<&'static (&'static str, &'static [u16])> {
        self.kinds.get(usize::from(number).checked_sub(1)?)
    }
}

/// Appends a frame whose payload `payload` appends. The types keep its length within 16 bits.
pub(crate) fn encode(out: &mut Vec<u8>, number: u16, payload: impl FnOnce(&mut Vec<u8>)) {
    out.put_be16(number);
    let at = out.len();
    out.put_be16(0);
    payload(out);
    let len = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&len.to_be_bytes());
}

/// The number and length of a frame whose kind and fixed length have been checked.
pub(crate) struct Head {
    /// Where the frame starts.
    at: u64,
    family: &'static Family,
    pub(crate) number: u16,
    pub(crate) len: u16,
}

impl Head {
    pub(crate) fn decode<R: Read>(
        input: &mut Decoder<R>,
        family: &'static Family,
    ) -> Result<Head, DecodeError> {
        let at = input.offset();
        let number = input.be16(family.name)?;
        let len = input.be16("length of the payload")?;
        let head = Head { at, family, number, len };
        if len > family.max_len {
            let max = family.max_len;
            let expected = format!("{} with at most {max} bytes of payload", family.name);
            return Err(input.error_at(at, expected, format!("number {number} with {len} bytes")));
        }
        match family.kind(number) {
            None => Err(head.unknown(input)),
            Some((_, lens)) if lens.is_empty() || lens.contains(&len) => Ok(head),
            Some((_, lens)) => {
                let lens: Vec<String> = lens.iter().map(u16::to_string).collect();
                Err(head.wrong_len(input, &lens.join(" or ")))
            }
        }
    }

    /// Checks, before any of the payload is read, that it has space for a name besides `others`
    /// bytes.
    pub(crate) fn check_room_for_name<R: Read>(
        &self,
        input: &Decoder<R>,
        others: u16,
    ) -> Result<(), DecodeError> {
        if self.len > others {
            return Ok(());
        }
        Err(self.wrong_len(input, &format!("at least {}", others + 1)))
    }

    /// Checks that the payload is the next name and `others` bytes long. It runs before the name is
    /// read, so that a wrong length is an error at once and not a wait for bytes that never come.
    pub(crate) fn check_name<R: Read>(
        &self,
        input: &mut Decoder<R>,
        others: u16,
    ) -> Result<(), DecodeError> {
        match input.peek_u8()? {
            Some(len) if self.len != others + 1 + u16::from(len) => {
                Err(self.wrong_len(input, &(others + 1 + u16::from(len)).to_string()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn wrong_len<R: Read>(&self, input: &Decoder<R>, lens: &str) -> DecodeError {
        let Family { name, .. } = self.family;
        let expected =
            format!("{name} {} with {lens} bytes of payload", self.family.kind_name(self.number));
        input.error_at(self.at, expected, format!("{} bytes", self.len))
    }

    pub(crate) fn unknown<R: Read>(&self, input: &Decoder<R>) -> DecodeError {
        let expected = format!("{} number 1 to {}", self.family.name, self.family.kinds.len());
        input.error_at(self.at, expected, format!("number {} with {} bytes", self.number, self.len))
    }
}
