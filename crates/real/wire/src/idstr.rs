//! Names in the stream: a length byte, then the text without a NUL.

use std::fmt;
use std::io::Read;
use std::ops::Deref;

use crate::{DecodeError, Decoder, Wire};

/// A counted string, for instance the name of a section (`idstr`) or of a RAM block: 1 to 255 bytes
/// of UTF-8.
///
/// QEMU: `qemu_put_counted_string`, `qemu_get_counted_string` (`migration/qemu-file.c`). QEMU
/// accepts any bytes; this type accepts only UTF-8.
///
/// # Invariants
/// The length is in `1..=255`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdStr(Box<str>);

/// An error of [`IdStr::new`]: the text is empty or too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of {len} bytes, not 1 to 255")]
pub struct IdStrError {
    /// Length of the text in bytes.
    pub len: usize,
}

impl IdStr {
    /// Makes the name `text`.
    ///
    /// # Errors
    /// If it is empty or longer than 255 bytes.
    pub fn new(text: &str) -> Result<IdStr, IdStrError> {
        match text.len() {
            1..=255 => Ok(IdStr(text.into())),
            len => Err(IdStrError { len }),
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for IdStr {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Wire for IdStr {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.len() as u8);
        out.extend_from_slice(self.as_bytes());
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<IdStr, DecodeError> {
        let at = input.offset();
        let len = input.u8("length of a name")?;
        if len == 0 {
            return Err(input.error_at(at, "a name of 1 to 255 bytes", "0 bytes"));
        }
        let bytes = input.take(len.into(), "name")?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(IdStr(text.into())),
            Err(_) => {
                let found = format!("\"{}\"", bytes.escape_ascii());
                Err(input.error_at(at, "a name in UTF-8", found))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, refused};

    #[test]
    fn a_name_is_its_length_and_its_bytes() {
        golden(&IdStr::new("ram").unwrap(), b"\x03ram");
        golden(&IdStr::new(&"x".repeat(255)).unwrap(), &[&[255], [b'x'; 255].as_slice()].concat());
        assert_eq!(IdStr::new("").unwrap_err().to_string(), "a name of 0 bytes, not 1 to 255");
        assert_eq!(IdStr::new(&"x".repeat(256)).unwrap_err(), IdStrError { len: 256 });
    }

    #[test]
    fn an_empty_cut_or_binary_name_is_refused() {
        refused::<IdStr>(b"\x00", "at byte 0: expected a name of 1 to 255 bytes, found 0 bytes");
        refused::<IdStr>(
            b"\x02a",
            "at byte 1: expected name, found end of stream after 1 of 2 bytes",
        );
        refused::<IdStr>(b"\x02a\xff", "at byte 0: expected a name in UTF-8, found \"a\\xff\"");
    }
}
