//! The container that libvirt puts around a stream: the file of `virsh save`, and of a managed
//! save.
//!
//! A header of [`HEADER_LEN`] bytes in the byte order of the host, the XML of the domain, a cookie,
//! and the stream, which may be compressed. libvirt: `virQEMUSaveHeader`,
//! `virQEMUSaveDataRead` (`src/qemu/qemu_saveimage.c`).

use std::io::Read;

use crate::{DecodeError, Decoder, Wire};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 92;

/// Maximum length of the XML and the cookie together, in bytes.
pub const MAX_DATA: u32 = 64 << 20;

/// First bytes of a whole image.
pub const MAGIC: &[u8; 16] = b"LibvirtQemudSave";

/// First bytes of an image that was not written to its end.
pub const PARTIAL_MAGIC: &[u8; 16] = b"LibvirtQemudPart";

const UNUSED: usize = 14 * size_of::<u32>();

/// How the stream in an image is encoded (`virQEMUSaveFormat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveFormat {
    /// Not compressed.
    Raw,
    /// By gzip.
    Gzip,
    /// By bzip2.
    Bzip2,
    /// By xz.
    Xz,
    /// By lzop.
    Lzop,
    /// By zstd.
    Zstd,
    /// Not compressed, with capability mapped-ram.
    Sparse,
}

impl SaveFormat {
    const ALL: [SaveFormat; 7] = [
        SaveFormat::Raw,
        SaveFormat::Gzip,
        SaveFormat::Bzip2,
        SaveFormat::Xz,
        SaveFormat::Lzop,
        SaveFormat::Zstd,
        SaveFormat::Sparse,
    ];

    /// Returns libvirt's name of the format.
    pub fn name(self) -> &'static str {
        match self {
            SaveFormat::Raw => "raw",
            SaveFormat::Sparse => "sparse",
            compressed => compressed.program().unwrap_or_default(),
        }
    }

    /// Returns the program that decompresses the stream, with options `-dc`; `None` if the stream
    /// is not compressed.
    pub fn program(self) -> Option<&'static str> {
        match self {
            SaveFormat::Raw | SaveFormat::Sparse => None,
            SaveFormat::Gzip => Some("gzip"),
            SaveFormat::Bzip2 => Some("bzip2"),
            SaveFormat::Xz => Some("xz"),
            SaveFormat::Lzop => Some("lzop"),
            SaveFormat::Zstd => Some("zstd"),
        }
    }
}

/// The header of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveHeader {
    /// Whether the image was written to its end.
    pub complete: bool,
    /// Version of the header: 2, or 3 for images with [`SaveFormat::Sparse`].
    pub version: u32,
    /// Bytes of XML, cookie and padding; the stream follows them.
    pub data_len: u32,
    /// Whether the domain ran when it was saved.
    pub was_running: bool,
    /// How the stream is encoded.
    pub format: SaveFormat,
    /// Offset of the cookie in the data; 0 if there is none.
    pub cookie_offset: u32,
}

/// The newest version of the header.
const VERSION: u32 = 3;

/// Encodes in the byte order of most hosts, little-endian. Decodes either.
impl Wire for SaveHeader {
    fn encode(&self, out: &mut Vec<u8>) {
        let format = SaveFormat::ALL.iter().position(|format| *format == self.format);
        out.extend_from_slice(if self.complete { MAGIC } else { PARTIAL_MAGIC });
        for number in [
            self.version,
            self.data_len,
            self.was_running.into(),
            format.unwrap_or_default() as u32,
            self.cookie_offset,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.resize(out.len() + UNUSED, 0);
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let at = input.offset();
        let magic = input.take(MAGIC.len(), "magic of a libvirt save image")?;
        let complete = magic == MAGIC;
        if !complete && magic != PARTIAL_MAGIC {
            let found = format!("\"{}\"", magic.escape_ascii());
            return Err(input.error_at(at, "the magic of a libvirt save image", found));
        }
        let at = input.offset();
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = input.be32("header of a libvirt save image")?.swap_bytes();
        }
        input.skip(UNUSED as u64, "unused bytes of the header")?;
        // A small number in the other byte order is a large one.
        if numbers[0] > VERSION {
            numbers = numbers.map(u32::swap_bytes);
        }
        let [version, data_len, was_running, format, cookie_offset] = numbers;
        if !(1..=VERSION).contains(&version) {
            let expected = format!("version 1 to {VERSION} of a libvirt save image");
            return Err(input.error_at(at, expected, format!("version {version}")));
        }
        if data_len > MAX_DATA || cookie_offset > data_len {
            let expected = format!("XML and cookie of at most {MAX_DATA} bytes");
            let found = format!("{data_len} bytes with the cookie at {cookie_offset}");
            return Err(input.error_at(at + 4, expected, found));
        }
        let Some(format) = SaveFormat::ALL.get(format as usize).copied() else {
            let expected = format!("format 0 to {} of a libvirt save image", 6);
            return Err(input.error_at(at + 12, expected, format.to_string()));
        };
        let was_running = was_running != 0;
        Ok(SaveHeader { complete, version, data_len, was_running, format, cookie_offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{decoded, golden, refused};

    fn header() -> SaveHeader {
        SaveHeader {
            complete: true,
            version: 2,
            data_len: 0x1234,
            was_running: true,
            format: SaveFormat::Xz,
            cookie_offset: 0x1000,
        }
    }

    fn bytes() -> Vec<u8> {
        let head = b"LibvirtQemudSave\x02\0\0\0\x34\x12\0\0\x01\0\0\0\x03\0\0\0\0\x10\0\0";
        [head.as_slice(), &[0; UNUSED]].concat()
    }

    #[test]
    fn a_header_has_its_golden_bytes_in_both_byte_orders() {
        assert_eq!(bytes().len(), HEADER_LEN);
        golden(&header(), &bytes());
        let mut swapped = bytes();
        for number in swapped[16..36].chunks_mut(4) {
            number.reverse();
        }
        assert_eq!(decoded::<SaveHeader>(&swapped).unwrap(), header());
    }

    #[test]
    fn what_libvirt_does_not_write_is_refused() {
        for (at, byte, text) in [
            (
                0,
                b'l',
                "at byte 0: expected the magic of a libvirt save image, found \"libvirtQemudSave\"",
            ),
            (16, 0, "at byte 16: expected version 1 to 3 of a libvirt save image, found version 0"),
            (
                23,
                9,
                "at byte 20: expected XML and cookie of at most 67108864 bytes, \
                 found 150999604 bytes with the cookie at 4096",
            ),
            (28, 7, "at byte 28: expected format 0 to 6 of a libvirt save image, found 7"),
        ] {
            let mut bytes = bytes();
            bytes[at] = byte;
            refused::<SaveHeader>(&bytes, text);
        }
    }
}
