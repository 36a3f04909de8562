//! mapped-ram: RAM blocks whose pages have a fixed place in the file.
//!
//! After the entry of a block comes this header. Its bitmap says which pages are in the file; page
//! `n` is at `pages_offset + n * page_size`. The next entry follows the pages. QEMU (9.0 and
//! newer): `MappedRamHeader`, `mapped_ram_setup_ramblock`, `mapped_ram_read_header`
//! (`migration/ram.c`).

use std::io::Read;

use crate::{DecodeError, Decoder, Put, TARGET_PAGE_SIZE, Wire};

const VERSION: u32 = 1;

/// Where the pages of a RAM block are in a mapped-ram file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedRam {
    /// Offset in the file of the bitmap of the pages that are in it. QEMU writes the bitmap in the
    /// byte order of the host; on a little-endian host bit `n % 8` of byte `n / 8` is that of page
    /// `n`.
    pub bitmap_offset: u64,
    /// Offset in the file of page 0. Both offsets are 0 for a block that both machines share.
    pub pages_offset: u64,
}

impl Wire for MappedRam {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_be32(VERSION);
        out.put_be64(TARGET_PAGE_SIZE as u64);
        out.put_be64(self.bitmap_offset);
        out.put_be64(self.pages_offset);
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let at = input.offset();
        let version = input.be32("version of a mapped-ram header")?;
        if version != VERSION {
            let expected = format!("version {VERSION} of a mapped-ram header");
            return Err(input.error_at(at, expected, format!("version {version}")));
        }
        let at = input.offset();
        let page_size = input.be64("page size of a mapped-ram header")?;
        if page_size != TARGET_PAGE_SIZE as u64 {
            let expected = format!("page size {TARGET_PAGE_SIZE} of a mapped-ram header");
            return Err(input.error_at(at, expected, page_size.to_string()));
        }
        let bitmap_offset = input.be64("offset of a bitmap")?;
        let at = input.offset();
        let pages_offset = input.be64("offset of the pages of a RAM block")?;
        if pages_offset % page_size != 0 {
            let expected = format!("an offset of pages that is a multiple of {page_size}");
            return Err(input.error_at(at, expected, pages_offset.to_string()));
        }
        Ok(MappedRam { bitmap_offset, pages_offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, refused};

    #[test]
    fn a_header_has_its_golden_bytes() {
        let bytes = b"\0\0\0\x01\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\x7b\0\0\0\0\0\x10\0\0";
        golden(&MappedRam { bitmap_offset: 123, pages_offset: 1 << 20 }, bytes);
        for (at, byte, text) in [
            (3, 2, "at byte 0: expected version 1 of a mapped-ram header, found version 2"),
            (10, 0x20, "at byte 4: expected page size 4096 of a mapped-ram header, found 8192"),
            (
                27,
                1,
                "at byte 20: expected an offset of pages that is a multiple of 4096, found 1048577",
            ),
        ] {
            let mut bytes = bytes.to_vec();
            bytes[at] = byte;
            refused::<MappedRam>(&bytes, text);
        }
    }
}
