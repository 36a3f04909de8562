//! multifd: the packets of the additional channels, which carry most pages.
//!
//! Each channel begins with one [`MultifdInit`]. [`MultifdPacket`]s follow, and the bytes of its
//! normal pages come after each. Only uncompressed pages are supported. QEMU:
//! `migration/multifd.c`, `migration/multifd-nocomp.c`.

use std::fmt;
use std::io::Read;

use crate::ram::PageOffset;
use crate::{DecodeError, Decoder, IdStr, Put, TARGET_PAGE_SIZE, Uuid, Wire};

/// First bytes of each packet, and so of each additional channel.
pub const MULTIFD_MAGIC: u32 = 0x1122_3344;

/// Maximum number of pages in one packet: 512 KiB (`MULTIFD_PACKET_SIZE`).
pub const MULTIFD_PAGES: usize = (512 << 10) / TARGET_PAGE_SIZE;

/// Length of a [`MultifdInit`] in bytes.
pub const MULTIFD_INIT_LEN: usize = 64;

/// Length of every [`MultifdPacket`] in bytes, without the pages that follow it.
pub const MULTIFD_PACKET_LEN: usize = OFFSETS_AT + MULTIFD_PAGES * size_of::<u64>();

const VERSION: u32 = 1;
const SYNC: u32 = 1;
const BLOCK_NAME_LEN: usize = 256;
const OFFSETS_AT: usize = 320;

/// The first packet of a channel, with its number (`MultiFDInit_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultifdInit {
    /// The machine's UUID; nil if it has none.
    pub uuid: Uuid,
    /// The channel's number, from 0 on. The caller checks that it is in range.
    pub id: u8,
}

impl Wire for MultifdInit {
    fn encode(&self, out: &mut Vec<u8>) {
        let end = out.len() + MULTIFD_INIT_LEN;
        out.put_be32(MULTIFD_MAGIC);
        out.put_be32(VERSION);
        out.extend_from_slice(self.uuid.as_bytes());
        out.push(self.id);
        out.resize(end, 0);
    }

    /// Takes [`MULTIFD_INIT_LEN`] bytes. A decoder of that capacity reads no more.
    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Self, DecodeError> {
        input.peek(MULTIFD_INIT_LEN)?;
        head(input)?;
        let uuid = input.uuid("uuid")?;
        let id = input.u8("channel id")?;
        input.skip(39, "unused bytes of the initial packet")?;
        Ok(MultifdInit { uuid, id })
    }
}

/// A packet that lists the pages that follow on this channel (`MultiFDPacket_t`).
///
/// # Invariants
///
/// It has at most [`MULTIFD_PAGES`] pages, and the name of their block if it has any.
#[derive(Clone, PartialEq, Eq)]
pub struct MultifdPacket {
    sync: bool,
    packet_num: u64,
    block: Option<IdStr>,
    normal: usize,
    offsets: Vec<PageOffset>,
}

impl MultifdPacket {
    /// Makes a packet for pages of one block: first the normal ones, whose bytes follow, then the
    /// zero pages. `packet_num` counts the packets of all channels.
    ///
    /// # Panics
    ///
    /// If there are more than [`MULTIFD_PAGES`].
    pub fn pages(
        packet_num: u64,
        block: IdStr,
        normal: &[PageOffset],
        zero: &[PageOffset],
    ) -> Self {
        let offsets = [normal, zero].concat();
        assert!(offsets.len() <= MULTIFD_PAGES, "{} pages in one packet", offsets.len());
        MultifdPacket { sync: false, packet_num, block: Some(block), normal: normal.len(), offsets }
    }

    /// Makes a packet without pages that ends a round.
    pub fn sync(packet_num: u64) -> Self {
        MultifdPacket { sync: true, packet_num, block: None, normal: 0, offsets: Vec::new() }
    }

    /// Returns whether the destination shall wait here for the other channels. Before QEMU 9.0 such
    /// a packet may also have pages, which come first.
    pub fn is_sync(&self) -> bool {
        self.sync
    }

    /// Returns the number of the packet.
    pub fn packet_num(&self) -> u64 {
        self.packet_num
    }

    /// Returns the block of the pages. A packet with pages has one.
    pub fn block(&self) -> Option<&IdStr> {
        self.block.as_ref()
    }

    /// Returns the pages whose bytes follow, in that order.
    pub fn normal(&self) -> &[PageOffset] {
        &self.offsets[..self.normal]
    }

    /// Returns the zero pages.
    pub fn zero(&self) -> &[PageOffset] {
        &self.offsets[self.normal..]
    }
}

impl fmt::Debug for MultifdPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultifdPacket")
            .field("sync", &self.sync)
            .field("packet_num", &self.packet_num)
            .field("block", &self.block)
            .field("normal", &self.normal().len())
            .field("zero", &self.zero().len())
            .finish()
    }
}

impl Wire for MultifdPacket {
    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_be32(MULTIFD_MAGIC);
        out.put_be32(VERSION);
        out.put_be32(if self.sync { SYNC } else { 0 });
        out.put_be32(if self.block.is_some() { MULTIFD_PAGES as u32 } else { 0 });
        out.put_be32(self.normal as u32);
        out.put_be32((self.normal * TARGET_PAGE_SIZE) as u32);
        out.put_be64(self.packet_num);
        out.put_be32(self.zero().len() as u32);
        out.resize(start + OFFSETS_AT - BLOCK_NAME_LEN, 0);
        // A name has at most 255 bytes, so a NUL follows.
        out.extend_from_slice(self.block.as_ref().map_or("", |block| block.as_str()).as_bytes());
        out.resize(start + OFFSETS_AT, 0);
        for offset in &self.offsets {
            out.put_be64(offset.get());
        }
        out.resize(start + MULTIFD_PACKET_LEN, 0);
    }

    /// Takes [`MULTIFD_PACKET_LEN`] bytes and none of the pages. Every offset is that of a page;
    /// the caller checks that the block has it. A decoder of that capacity does not read ahead into
    /// the pages, even if the packet arrives in parts.
    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Self, DecodeError> {
        input.peek(MULTIFD_PACKET_LEN)?;
        head(input)?;
        let at = input.offset();
        let flags = input.be32("flags of a multifd packet")?;
        if flags & !SYNC != 0 {
            let expected = "flags 0x0 or 0x1 (SYNC): uncompressed pages";
            return Err(input.error_at(at, expected, format!("{flags:#x}")));
        }
        let allocated = count(input, "pages that the packet has room for", MULTIFD_PAGES)?;
        let normal = count(input, "normal pages", allocated)?;
        let at = input.offset();
        let bytes = input.be32("bytes of the pages that follow")?;
        // QEMU before 9.0 leaves an old number in a packet without pages.
        if normal != 0 && bytes as usize != normal * TARGET_PAGE_SIZE {
            let expected = format!("{} bytes for {normal} pages", normal * TARGET_PAGE_SIZE);
            return Err(input.error_at(at, expected, format!("{bytes} bytes")));
        }
        let packet_num = input.be64("number of the packet")?;
        let zero = count(input, "zero pages", allocated - normal)?;
        input.skip(28, "unused bytes of a multifd packet")?;
        let pages = normal + zero;
        let block = block_name(input, pages != 0)?;
        let mut offsets = Vec::with_capacity(pages);
        for _ in 0..pages {
            let at = input.offset();
            let word = input.be64("offset of a page")?;
            let offset = PageOffset::containing(word);
            if offset.get() != word {
                return Err(input.error_at(at, "the offset of a page", format!("{word:#x}")));
            }
            offsets.push(offset);
        }
        let unused = (MULTIFD_PAGES - pages) * size_of::<u64>();
        input.skip(unused as u64, "unused offsets of a multifd packet")?;
        Ok(MultifdPacket { sync: flags & SYNC != 0, packet_num, block, normal, offsets })
    }
}

/// Checks magic and version of a packet.
fn head<R: Read>(input: &mut Decoder<R>) -> Result<(), DecodeError> {
    for (what, expected) in [("magic", MULTIFD_MAGIC), ("version", VERSION)] {
        let at = input.offset();
        let found = input.be32("head of a multifd packet")?;
        if found != expected {
            let expected = format!("{what} {expected:#x} of a multifd packet");
            return Err(input.error_at(at, expected, format!("{found:#x}")));
        }
    }
    Ok(())
}

fn count<R: Read>(
    input: &mut Decoder<R>,
    what: &'static str,
    most: usize,
) -> Result<usize, DecodeError> {
    let at = input.offset();
    match input.be32(what)? as usize {
        count if count <= most => Ok(count),
        count => Err(input.error_at(at, format!("at most {most} {what}"), count.to_string())),
    }
}

/// Reads the name before the first NUL. The bytes after it are left over from other packets.
fn block_name<R: Read>(input: &mut Decoder<R>, needed: bool) -> Result<Option<IdStr>, DecodeError> {
    let at = input.offset();
    let bytes = input.take(BLOCK_NAME_LEN, "name of a RAM block")?;
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    if !needed {
        return Ok(None);
    }
    match std::str::from_utf8(name).ok().and_then(|name| IdStr::new(name).ok()) {
        Some(name) => Ok(Some(name)),
        None => {
            let found = format!("\"{}\"", name.escape_ascii());
            Err(input.error_at(at, "the name of a RAM block, 1 to 255 bytes of UTF-8", found))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{encoded, golden, refused};

    fn offsets(pages: impl IntoIterator<Item = u64>) -> Vec<PageOffset> {
        pages.into_iter().map(|page| PageOffset::containing(page << 12)).collect()
    }

    fn ram() -> IdStr {
        IdStr::new("ram").unwrap()
    }

    /// Returns `bytes` with those at `at` replaced.
    fn with(mut bytes: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    }

    #[test]
    fn the_initial_packet_has_its_golden_bytes() {
        let mut bytes = b"\x11\x22\x33\x44\0\0\0\x01".to_vec();
        bytes.extend_from_slice(&[7; 16]);
        bytes.push(3);
        bytes.resize(MULTIFD_INIT_LEN, 0);
        golden(&MultifdInit { uuid: Uuid::from_bytes([7; 16]), id: 3 }, &bytes);
        refused::<MultifdInit>(
            &with(bytes.clone(), 0, b"QEVM"),
            "at byte 0: expected magic 0x11223344 of a multifd packet, found 0x5145564d",
        );
        refused::<MultifdInit>(
            &with(bytes, 7, &[2]),
            "at byte 4: expected version 0x1 of a multifd packet, found 0x2",
        );
    }

    #[test]
    fn a_packet_of_pages_has_its_golden_bytes() {
        let packet = MultifdPacket::pages(9, ram(), &offsets([1, 2]), &offsets([7]));
        let mut bytes =
            b"\x11\x22\x33\x44\0\0\0\x01\0\0\0\0\0\0\0\x80\0\0\0\x02\0\0\x20\0".to_vec();
        bytes.extend_from_slice(b"\0\0\0\0\0\0\0\x09\0\0\0\x01");
        bytes.resize(64, 0);
        bytes.extend_from_slice(b"ram");
        bytes.resize(320, 0);
        bytes.extend_from_slice(b"\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0\x70\0");
        bytes.resize(1344, 0);
        golden(&packet, &bytes);
    }

    #[test]
    fn a_sync_packet_has_its_golden_bytes_and_may_have_pages() {
        let mut bytes = b"\x11\x22\x33\x44\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend_from_slice(b"\0\0\0\0\0\0\0\x05");
        bytes.resize(MULTIFD_PACKET_LEN, 0);
        golden(&MultifdPacket::sync(5), &bytes);

        let pages = encoded(&MultifdPacket::pages(1, ram(), &offsets([4]), &[]));
        let packet = crate::testing::decoded::<MultifdPacket>(&with(pages, 11, &[1])).unwrap();
        assert!(packet.is_sync());
        assert_eq!(packet.normal(), offsets([4]));
    }

    #[test]
    fn a_full_packet_reads_back() {
        let packet = MultifdPacket::pages(1, ram(), &offsets(0..100), &offsets(200..228));
        let bytes = encoded(&packet);
        assert_eq!(bytes.len(), MULTIFD_PACKET_LEN);
        assert_eq!(crate::testing::decoded::<MultifdPacket>(&bytes).unwrap(), packet);
    }

    #[test]
    fn what_no_sender_writes_is_refused_before_its_pages() {
        let bytes = encoded(&MultifdPacket::pages(1, ram(), &offsets([1]), &offsets([2])));
        for (at, new, text) in [
            (
                11,
                &[2_u8][..],
                "at byte 8: expected flags 0x0 or 0x1 (SYNC): uncompressed pages, found 0x2",
            ),
            (
                11,
                &[64],
                "at byte 8: expected flags 0x0 or 0x1 (SYNC): uncompressed pages, found 0x40",
            ),
            (
                15,
                &[129],
                "at byte 12: expected at most 128 pages that the packet has room for, found 129",
            ),
            (19, &[129], "at byte 16: expected at most 128 normal pages, found 129"),
            (22, &[0x20], "at byte 20: expected 4096 bytes for 1 pages, found 8192 bytes"),
            (35, &[128], "at byte 32: expected at most 127 zero pages, found 128"),
            (
                64,
                b"\0",
                "at byte 64: expected the name of a RAM block, 1 to 255 bytes of UTF-8, found \"\"",
            ),
            (
                64,
                b"\xff",
                "at byte 64: expected the name of a RAM block, 1 to 255 bytes of UTF-8, found \"\\xffam\"",
            ),
            (327, &[1], "at byte 320: expected the offset of a page, found 0x1001"),
        ] {
            refused::<MultifdPacket>(&with(bytes.clone(), at, new), text);
        }
    }

    #[test]
    fn an_old_number_of_bytes_in_a_packet_without_pages_is_no_error() {
        let bytes = with(encoded(&MultifdPacket::sync(5)), 21, &[8]);
        assert_eq!(
            crate::testing::decoded::<MultifdPacket>(&bytes).unwrap(),
            MultifdPacket::sync(5)
        );
    }
}
