//! The payload of section `ram`: a list of blocks at the start, then page after page.
//!
//! Every record begins with one 64-bit word: the bits below the page size are flags, the others the
//! offset of a page in its block. QEMU: `ram_save_setup`, `save_page_header`, `ram_load_precopy`,
//! `parse_ramblocks` (`migration/ram.c`).

use std::fmt;
use std::io::Read;

use crate::{DecodeError, Decoder, IdStr, Put, TARGET_PAGE_SIZE, ValueError, Wire};

/// The version of section `ram`, the only one there is.
pub const RAM_VERSION: u32 = 4;

/// Maximum number of RAM blocks in one list. A machine has tens: main memory, ROMs, memory of
/// display and PCI devices.
pub const MAX_BLOCKS: usize = 4096;

const FLAG_MASK: u64 = TARGET_PAGE_SIZE as u64 - 1;

/// The flags of a word (`RAM_SAVE_FLAG_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamFlags(u64);

impl RamFlags {
    /// A page of zeros; the one byte 0 follows.
    pub const ZERO: RamFlags = RamFlags(0x002);
    /// A list of blocks; the rest of the word is their total length.
    pub const MEM_SIZE: RamFlags = RamFlags(0x004);
    /// A page; its bytes follow.
    pub const PAGE: RamFlags = RamFlags(0x008);
    /// The payload of this section ends.
    pub const EOS: RamFlags = RamFlags(0x010);
    /// With ZERO and PAGE: same block as before, no name follows.
    pub const CONTINUE: RamFlags = RamFlags(0x020);
    /// A page as a difference from the destination's copy. Not decoded.
    pub const XBZRLE: RamFlags = RamFlags(0x040);
    /// Reserved for RDMA. Not decoded.
    pub const HOOK: RamFlags = RamFlags(0x080);
    /// The destination shall wait until every multifd channel has synchronised.
    pub const MULTIFD_FLUSH: RamFlags = RamFlags(0x200);

    /// Returns the flags as they are in the word.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// Writes the value and QEMU's names, for instance `0x048 (PAGE|XBZRLE)`.
impl fmt::Display for RamFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 10] = [
            "FULL",
            "ZERO",
            "MEM_SIZE",
            "PAGE",
            "EOS",
            "CONTINUE",
            "XBZRLE",
            "HOOK",
            "COMPRESS_PAGE",
            "MULTIFD_FLUSH",
        ];
        let set: Vec<&str> = NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| *name)
            .collect();
        write!(f, "{:#05x} ({})", self.0, set.join("|"))
    }
}

/// Where a page starts in its RAM block, in bytes.
///
/// # Invariants
/// A multiple of [`TARGET_PAGE_SIZE`], so that it leaves the flag bits of a word free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageOffset(u64);

impl PageOffset {
    /// Returns the start of the page that contains byte `offset` of the block.
    pub const fn containing(offset: u64) -> PageOffset {
        PageOffset(offset & !FLAG_MASK)
    }

    /// Returns the offset in bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The block that a page belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockRef {
    /// The block of the previous page record, in this section or an earlier one (`CONTINUE`). The
    /// caller checks that there was one.
    Same,
    /// The block of this name.
    Named(IdStr),
}

/// One RAM block in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// Name of the block.
    pub idstr: IdStr,
    /// Length of the block in bytes.
    pub used_length: u64,
}

/// The RAM blocks of the machine. The capabilities that add to an entry (postcopy-ram with huge
/// pages, x-ignore-shared, mapped-ram) are not supported.
///
/// # Invariants
/// There are at most [`MAX_BLOCKS`], and no two have the same name. Each length is a positive
/// multiple of the page size, and `total` is the sum of the lengths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockList {
    blocks: Vec<BlockEntry>,
    total: u64,
}

impl BlockList {
    /// Makes the list of `blocks`.
    ///
    /// # Errors
    /// If the invariants do not hold.
    pub fn new(blocks: impl IntoIterator<Item = BlockEntry>) -> Result<BlockList, ValueError> {
        let mut list = BlockList::default();
        for block in blocks {
            list.push(block)?;
        }
        Ok(list)
    }

    /// Returns the blocks, in the order of the stream.
    pub fn blocks(&self) -> &[BlockEntry] {
        &self.blocks
    }

    /// Returns the length of all blocks together, in bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn push(&mut self, entry: BlockEntry) -> Result<(), ValueError> {
        let BlockEntry { idstr: block, used_length: length } = entry.clone();
        if length == 0 || length & FLAG_MASK != 0 {
            return Err(ValueError::BlockLength { block, length });
        }
        if self.blocks.iter().any(|other| other.idstr == block) {
            return Err(ValueError::DuplicateBlock { block });
        }
        if self.blocks.len() == MAX_BLOCKS {
            return Err(ValueError::TooManyBlocks);
        }
        self.total = self.total.checked_add(length).ok_or(ValueError::TotalOverflow)?;
        self.blocks.push(entry);
        Ok(())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_be64(self.total | RamFlags::MEM_SIZE.bits());
        for block in &self.blocks {
            block.idstr.encode(out);
            out.put_be64(block.used_length);
        }
    }

    /// Reads the entries after the word.
    fn decode<R: Read>(input: &mut Decoder<R>, announced: u64) -> Result<BlockList, DecodeError> {
        let mut list = BlockList::default();
        while list.total < announced {
            list.decode_entry(input, announced)?;
        }
        Ok(list)
    }

    /// Reads one entry, without what some capabilities add to it. Its length must fit in the
    /// announced total; QEMU subtracts it unchecked.
    pub(crate) fn decode_entry<R: Read>(
        &mut self,
        input: &mut Decoder<R>,
        announced: u64,
    ) -> Result<(), DecodeError> {
        let at = input.offset();
        let idstr = IdStr::decode(input)?;
        let used_length = input.be64("used length of a RAM block")?;
        let left = announced.saturating_sub(self.total);
        if used_length > left {
            let expected =
                format!("a RAM block of at most {left:#x} bytes, the rest of the announced total");
            let found = format!("{idstr:?} of {used_length:#x} bytes");
            return Err(input.error_at(at, expected, found));
        }
        self.push(BlockEntry { idstr, used_length })
            .map_err(|error| input.error_at(at, "another RAM block", error.to_string()))
    }
}

/// One record of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RamRecord {
    /// The blocks; the first record of START.
    BlockList(BlockList),
    /// A page of zeros.
    Zero {
        /// Offset of the page in the block.
        offset: PageOffset,
        /// The block.
        block: BlockRef,
    },
    /// The head of a page. Its [`TARGET_PAGE_SIZE`] bytes follow. The caller reads them with
    /// [`Decoder::take`], or with [`PageRun::take`] together with those of the pages after it.
    Page {
        /// Offset of the page in the block.
        offset: PageOffset,
        /// The block.
        block: BlockRef,
    },
    /// The end of the payload of this section.
    EndOfSection,
    /// The destination shall wait until every multifd channel has synchronised.
    MultifdFlush,
}

/// Appends the head of a page record. With [`RamFlags::ZERO`] the record is complete; with
/// [`RamFlags::PAGE`] the caller appends the [`TARGET_PAGE_SIZE`] bytes of the page. `block` is
/// `None` if the previous record has the same block.
pub fn encode_page_header(
    out: &mut Vec<u8>,
    offset: PageOffset,
    flags: RamFlags,
    block: Option<&IdStr>,
) {
    let word = offset.get() | flags.bits();
    match block {
        None => out.put_be64(word | RamFlags::CONTINUE.bits()),
        Some(idstr) => {
            out.put_be64(word);
            idstr.encode(out);
        }
    }
    if flags == RamFlags::ZERO {
        out.push(0);
    }
}

/// The bytes of a page, and of pages that follow it in its block and in the stream.
///
/// # Invariants
/// The bytes are pages of [`TARGET_PAGE_SIZE`] bytes, at least one. Before each page but the first
/// is its word.
#[derive(Clone, Copy, Debug)]
pub struct PageRun<'a> {
    bytes: &'a [u8],
}

impl<'a> PageRun<'a> {
    /// Distance in bytes from one page to the next.
    const STRIDE: usize = TARGET_PAGE_SIZE + size_of::<u64>();

    /// Consumes the bytes of a page, after its [`RamRecord::Page`] with this `offset`. Also
    /// consumes the whole page records after it that are buffered and continue it in the block, up
    /// to `most` pages together. Waits for the first page only.
    ///
    /// # Errors
    /// As [`Decoder::u8`]; nothing is consumed then.
    ///
    /// # Panics
    /// If `most` is 0.
    pub fn take<R: Read>(
        input: &'a mut Decoder<R>,
        offset: PageOffset,
        most: usize,
    ) -> Result<PageRun<'a>, DecodeError> {
        assert_ne!(most, 0, "a run of pages has at least one");
        let bytes = input.peek(input.buffered().max(TARGET_PAGE_SIZE))?;
        let mut end = TARGET_PAGE_SIZE;
        let mut page = offset.get();
        for _ in 1..most {
            page = page.wrapping_add(TARGET_PAGE_SIZE as u64);
            let word = page | RamFlags::PAGE.bits() | RamFlags::CONTINUE.bits();
            let next = bytes.get(end..end + Self::STRIDE);
            if !next.is_some_and(|next| next.starts_with(&word.to_be_bytes())) {
                break;
            }
            end += Self::STRIDE;
        }
        Ok(PageRun { bytes: input.take(end, "the bytes of a page")? })
    }

    /// Makes a run of one page, whose bytes these are.
    pub(crate) fn one(page: &'a [u8]) -> PageRun<'a> {
        debug_assert_eq!(page.len(), TARGET_PAGE_SIZE);
        PageRun { bytes: page }
    }

    /// Returns the pages, in order.
    pub fn pages(self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.bytes.chunks(Self::STRIDE).map(|page| &page[..TARGET_PAGE_SIZE])
    }
}

impl BlockRef {
    fn name(&self) -> Option<&IdStr> {
        match self {
            BlockRef::Same => None,
            BlockRef::Named(idstr) => Some(idstr),
        }
    }
}

impl Wire for RamRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            RamRecord::BlockList(list) => list.encode(out),
            RamRecord::Zero { offset, block } => {
                encode_page_header(out, *offset, RamFlags::ZERO, block.name())
            }
            RamRecord::Page { offset, block } => {
                encode_page_header(out, *offset, RamFlags::PAGE, block.name())
            }
            RamRecord::EndOfSection => out.put_be64(RamFlags::EOS.bits()),
            RamRecord::MultifdFlush => out.put_be64(RamFlags::MULTIFD_FLUSH.bits()),
        }
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<RamRecord, DecodeError> {
        let at = input.offset();
        let word = input.be64("RAM record")?;
        let offset = PageOffset::containing(word);
        let flags = word & FLAG_MASK;
        let kind = RamFlags(flags & !RamFlags::CONTINUE.bits());
        match kind {
            RamFlags::ZERO | RamFlags::PAGE => {
                let block = if kind.bits() == flags {
                    BlockRef::Named(IdStr::decode(input)?)
                } else {
                    BlockRef::Same
                };
                if kind == RamFlags::PAGE {
                    return Ok(RamRecord::Page { offset, block });
                }
                let at = input.offset();
                match input.u8("fill byte of a zero page")? {
                    0 => Ok(RamRecord::Zero { offset, block }),
                    other => Err(input.error_at(
                        at,
                        "fill byte 0x00 of a zero page",
                        format!("{other:#04x}"),
                    )),
                }
            }
            RamFlags::MEM_SIZE if kind.bits() == flags => {
                BlockList::decode(input, offset.get()).map(RamRecord::BlockList)
            }
            RamFlags::EOS if kind.bits() == word => Ok(RamRecord::EndOfSection),
            RamFlags::MULTIFD_FLUSH if kind.bits() == word => Ok(RamRecord::MultifdFlush),
            _ => Err(input.error_at(
                at,
                "a RAM record: ZERO or PAGE, [CONTINUE], or bare MEM_SIZE, EOS, MULTIFD_FLUSH",
                format!("flags {} at offset {:#x}", RamFlags(flags), offset.get()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{encoded, golden, refused};

    fn entry(name: &str, used_length: u64) -> BlockEntry {
        BlockEntry { idstr: IdStr::new(name).unwrap(), used_length }
    }

    #[test]
    fn every_record_has_its_golden_bytes() {
        let offset = PageOffset::containing(0x1_2fff);
        assert_eq!(offset.get(), 0x1_2000);
        let ram = || BlockRef::Named(IdStr::new("ram").unwrap());
        golden(&RamRecord::Zero { offset, block: ram() }, b"\0\0\0\0\0\x01\x20\x02\x03ram\0");
        golden(&RamRecord::Zero { offset, block: BlockRef::Same }, b"\0\0\0\0\0\x01\x20\x22\0");
        golden(&RamRecord::Page { offset, block: ram() }, b"\0\0\0\0\0\x01\x20\x08\x03ram");
        golden(&RamRecord::Page { offset, block: BlockRef::Same }, b"\0\0\0\0\0\x01\x20\x28");
        golden(&RamRecord::EndOfSection, b"\0\0\0\0\0\0\0\x10");
        golden(&RamRecord::MultifdFlush, b"\0\0\0\0\0\0\x02\0");
        let list = BlockList::new([entry("ram", 0x100_0000), entry("rom", 0x1000)]).unwrap();
        assert_eq!((list.blocks().len(), list.total()), (2, 0x100_1000));
        golden(
            &RamRecord::BlockList(list),
            b"\0\0\0\0\x01\0\x10\x04\x03ram\0\0\0\0\x01\0\0\0\x03rom\0\0\0\0\0\0\x10\0",
        );
        golden(&RamRecord::BlockList(BlockList::default()), b"\0\0\0\0\0\0\0\x04");
    }

    /// Appends a page record whose bytes are all `byte`.
    fn page(out: &mut Vec<u8>, offset: u64, block: Option<&str>, byte: u8) {
        let block = block.map(|name| IdStr::new(name).unwrap());
        encode_page_header(out, PageOffset(offset), RamFlags::PAGE, block.as_ref());
        out.extend([byte; TARGET_PAGE_SIZE]);
    }

    #[test]
    fn a_run_takes_the_buffered_pages_that_follow_and_no_other() {
        let mut bytes = Vec::new();
        page(&mut bytes, 0x1000, Some("ram"), 1);
        for (offset, byte) in [(0x2000, 2), (0x3000, 3), (0x5000, 5), (0x6000, 6)] {
            page(&mut bytes, offset, None, byte);
        }
        page(&mut bytes, 0x7000, Some("rom"), 7);
        encode_page_header(&mut bytes, PageOffset(0x8000), RamFlags::ZERO, None);
        page(&mut bytes, 0x9000, None, 9);
        page(&mut bytes, 0xa000, None, 10);

        // Everything is buffered, so only the next record and `most` bound a run.
        let runs = |capacity: usize, most: usize| -> Vec<Vec<u8>> {
            let mut input = Decoder::with_capacity(bytes.as_slice(), capacity);
            let mut runs = Vec::new();
            while input.peek_u8().unwrap().is_some() {
                if let RamRecord::Page { offset, .. } = RamRecord::decode(&mut input).unwrap() {
                    let run = PageRun::take(&mut input, offset, most).unwrap();
                    assert!(run.pages().all(|page| *page == [page[0]; TARGET_PAGE_SIZE]));
                    runs.push(run.pages().map(|page| page[0]).collect());
                }
            }
            assert_eq!(input.offset(), bytes.len() as u64);
            runs
        };
        let all = bytes.len();
        assert_eq!(runs(all, 256), [vec![1, 2, 3], vec![5, 6], vec![7], vec![9, 10]]);
        assert_eq!(runs(all, 2), [vec![1, 2], vec![3], vec![5, 6], vec![7], vec![9, 10]]);
        assert_eq!(runs(all, 1).concat(), [1, 2, 3, 5, 6, 7, 9, 10]);
        // The buffer holds one page, so a run never has a second.
        assert_eq!(runs(TARGET_PAGE_SIZE, 256), runs(all, 1));
    }

    #[test]
    fn a_run_at_the_end_of_what_came_has_whole_pages_only() {
        let mut bytes = Vec::new();
        page(&mut bytes, 0xffff_ffff_ffff_f000, None, 1);
        page(&mut bytes, 0, None, 2);
        bytes.pop();
        let mut input = Decoder::new(bytes.as_slice());
        let mut run = || {
            let Ok(RamRecord::Page { offset, .. }) = RamRecord::decode(&mut input) else {
                panic!("a page expected");
            };
            PageRun::take(&mut input, offset, 256).map(|run| run.pages().len())
        };
        assert_eq!(run().unwrap(), 1);
        assert!(run().unwrap_err().is_end_of_stream());
    }

    #[test]
    fn a_block_list_that_does_not_sum_up_is_refused() {
        // QEMU lets the total wrap here and continues to read.
        refused::<RamRecord>(
            b"\0\0\0\0\0\0\x10\x04\x03ram\0\0\0\0\0\0\x20\0",
            "at byte 8: expected a RAM block of at most 0x1000 bytes, the rest of the announced total, \
             found \"ram\" of 0x2000 bytes",
        );
        refused::<RamRecord>(
            b"\0\0\0\0\0\0\x10\x04\x03ram\0\0\0\0\0\0\0\0",
            "at byte 8: expected another RAM block, \
             found RAM block \"ram\" of 0x0 bytes, not a positive multiple of the target page size",
        );
        refused::<RamRecord>(
            b"\0\0\0\0\0\0\x10\x04\x03ram\0\0\0\0\0\0\x08\0",
            "at byte 8: expected another RAM block, \
             found RAM block \"ram\" of 0x800 bytes, not a positive multiple of the target page size",
        );
        refused::<RamRecord>(
            b"\0\0\0\0\0\0\x20\x04\x03ram\0\0\0\0\0\0\x10\0\x03ram\0\0\0\0\0\0\x10\0",
            "at byte 20: expected another RAM block, found RAM block \"ram\" twice",
        );
    }

    #[test]
    fn a_block_list_has_a_bounded_number_of_blocks_and_bytes() {
        let blocks = |n: usize| (0..n).map(|i| entry(&format!("{i:04}"), 0x1000));
        let list = BlockList::new(blocks(MAX_BLOCKS)).unwrap();
        let error = BlockList::new(blocks(MAX_BLOCKS + 1)).unwrap_err();
        assert_eq!(error.to_string(), "more than 4096 RAM blocks");
        let mut bytes = encoded(&RamRecord::BlockList(list));
        bytes[6] += 0x10;
        bytes.extend_from_slice(b"\x03end\0\0\0\0\0\0\x10\0");
        refused::<RamRecord>(
            &bytes,
            "at byte 53256: expected another RAM block, found more than 4096 RAM blocks",
        );
        let error = BlockList::new([entry("a", 1 << 63), entry("b", 1 << 63)]).unwrap_err();
        assert_eq!(error.to_string(), "RAM blocks of more than 2^64 bytes in total");
    }

    #[test]
    fn flags_that_no_record_has_are_refused_by_name() {
        let expected =
            "expected a RAM record: ZERO or PAGE, [CONTINUE], or bare MEM_SIZE, EOS, MULTIFD_FLUSH";
        for (word, found) in [
            (0x1040_u64, "flags 0x040 (XBZRLE) at offset 0x1000"),
            (0x0080, "flags 0x080 (HOOK) at offset 0x0"),
            (0x0100, "flags 0x100 (COMPRESS_PAGE) at offset 0x0"),
            (0x100a, "flags 0x00a (ZERO|PAGE) at offset 0x1000"),
            (0x1010, "flags 0x010 (EOS) at offset 0x1000"),
            (0x1200, "flags 0x200 (MULTIFD_FLUSH) at offset 0x1000"),
            (0x1024, "flags 0x024 (MEM_SIZE|CONTINUE) at offset 0x1000"),
            (0x0030, "flags 0x030 (EOS|CONTINUE) at offset 0x0"),
            (0x0400, "flags 0x400 () at offset 0x0"),
        ] {
            refused::<RamRecord>(
                &word.to_be_bytes(),
                &format!("at byte 0: {expected}, found {found}"),
            );
        }
        refused::<RamRecord>(
            b"\0\0\0\0\0\0\x10\x22\x01",
            "at byte 8: expected fill byte 0x00 of a zero page, found 0x01",
        );
    }
}
