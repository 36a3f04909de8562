//! A pull parser for whole streams: what [`crate::Record`] and its siblings decode piece by piece,
//! in order, with the pages and the sections of unknown devices between them.
//!
//! ```
//! use wire::parser::{Event, Parser};
//!
//! # fn main() -> Result<(), wire::DecodeError> {
//! let stream = b"QEVM\0\0\0\x03\x07\0\0\0\x04none\0";
//! let mut parser = Parser::new(stream.as_slice());
//! while let Some(event) = parser.next()? {
//!     if let Event::Configuration(configuration) = event {
//!         assert_eq!(configuration.machine, "none");
//!     }
//! }
//! assert_eq!(parser.offset(), stream.len() as u64);
//! # Ok(())
//! # }
//! ```
//!
//! # Where a section ends
//!
//! The payload of a section has no length. The parser knows the payload of `ram`. The payload of
//! any other section ends at the first section footer that has the number of the section and a
//! whole record after it. A device could hold such bytes by chance: the VM description, which comes
//! last, tells. [`crate::layout`] checks a payload against it.
//!
//! A stream without footers (compat property send-section-footer) shows that at the end of the
//! first part of `ram`. Then [`Event::Payload`] of the first other section has all the rest of the
//! stream, and only the description at its end can take it apart.
//!
//! # Bounds
//!
//! Memory does not grow with the stream: pages and payloads are slices of the decoder's buffer. What
//! the parser keeps has a limit: [`crate::ram::MAX_BLOCKS`], [`MAX_SECTIONS`], [`MAX_BITMAP`].

use std::collections::HashMap;
use std::io::{self, Read};

use crate::mapped_ram::MappedRam;
use crate::ram::{BlockList, BlockRef, PageOffset, PageRun, RAM_VERSION, RamFlags, RamRecord};
use crate::record::{COMMAND, EOF, SECTION_END, SECTION_FOOTER, SECTION_FULL, SECTION_PART};
use crate::record::{SECTION_START, VMDESCRIPTION};
use crate::{
    Command, Configuration, DecodeError, Decoder, FileHeader, Footer, IdStr, Record, SectionHeader,
    TARGET_PAGE_SIZE, VmDescription, Wire,
};

/// Maximum number of sections that are sent in parts. A machine has one for each device that
/// migrates live, and `ram`.
pub const MAX_SECTIONS: usize = 4096;

/// Maximum length of the bitmap of one block in a mapped-ram file, in bytes: that of 1 TiB.
pub const MAX_BITMAP: usize = 32 << 20;

/// Bytes of the decoder's buffer. Small enough to stay in a processor's cache.
const BUFFER: usize = 128 << 10;

/// Bytes after a section footer that show whether a record follows: its type, and the longest head
/// of a section.
const RECORD_HEAD: usize = 1 + 4 + 1 + 255 + 4 + 4;

/// Bytes of a section footer.
const FOOTER: usize = 5;

/// Which record a section's payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// START: the first part of a section that is sent in parts.
    Start,
    /// PART: another part.
    Part,
    /// END: the last part.
    End,
    /// FULL: a whole section.
    Full,
}

/// A RAM block of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Name of the block.
    pub idstr: IdStr,
    /// Length of the block in bytes.
    pub used_length: u64,
    /// Size of the block's pages in bytes; only with capability postcopy-ram, and if it is not the
    /// host's page size.
    pub page_size: Option<u64>,
    /// The guest physical address; only with capability x-ignore-shared.
    pub address: Option<u64>,
    /// Where the pages are in the file; only with capability mapped-ram.
    pub mapped: Option<MappedRam>,
}

/// The next piece of a stream.
#[derive(Debug)]
pub enum Event<'a> {
    /// Magic and version.
    FileHeader,
    /// The configuration.
    Configuration(Configuration),
    /// The head of a section or of a part of one.
    Section {
        /// The record.
        kind: SectionKind,
        /// The head; that of the START record, if this is a later part.
        header: &'a SectionHeader,
    },
    /// A RAM block, from the list at the start of section `ram`.
    Block {
        /// Index of the block; [`Parser::blocks`] has it from now on.
        block: usize,
    },
    /// The bitmap of the pages that a mapped-ram file has of a block. Bit `n % 8` of byte `n / 8`
    /// is set if page `n` is in the file.
    Bitmap {
        /// Index of the block in [`Parser::blocks`].
        block: usize,
        /// The bitmap.
        bitmap: &'a [u8],
    },
    /// A page of zeros.
    Zero {
        /// Index of the block in [`Parser::blocks`].
        block: usize,
        /// Offset of the page in the block.
        offset: PageOffset,
    },
    /// Pages that follow each other in a block; with mapped-ram one at a time.
    Pages {
        /// Index of the block in [`Parser::blocks`].
        block: usize,
        /// Offset of the first page in the block.
        offset: PageOffset,
        /// The bytes of the pages.
        run: PageRun<'a>,
    },
    /// A page as a difference from the page that was sent before (XBZRLE).
    Delta {
        /// Index of the block in [`Parser::blocks`].
        block: usize,
        /// Offset of the page in the block.
        offset: PageOffset,
        /// The encoded difference.
        bytes: &'a [u8],
    },
    /// The destination shall wait until every multifd channel has synchronised.
    MultifdFlush,
    /// A piece of the payload of a section that the parser does not know.
    Payload(&'a [u8]),
    /// The end of a section or of a part of one: its footer, if the stream has footers.
    SectionEnd,
    /// A command. After [`Command::Packaged`] come the events of the package, and then
    /// [`Event::PackageEnd`].
    Command(Command),
    /// The end of a package.
    PackageEnd,
    /// The end of the records.
    Eof,
    /// The VM description.
    VmDescription(VmDescription),
    /// A piece of what follows the end of the stream.
    Trailing(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FileHeader,
    Record,
    /// Inside section `ram`.
    Ram,
    /// Inside the list of blocks, which has this total.
    Blocks(u64),
    /// After the last entry of the list, whose block is in the file: before its bitmap, or before
    /// this page of it.
    Mapped {
        total: u64,
        next: Option<u64>,
    },
    /// Inside the payload of another section.
    Payload,
    Footer,
    AfterEof,
    Trailing,
    Ended,
}

/// Moves a reader past bytes without reading them. Returns how many it passed, 0 if it cannot.
pub type Skip<R> = fn(&mut R, u64) -> io::Result<u64>;

/// Reads a stream event by event.
pub struct Parser<R> {
    input: Decoder<R>,
    state: State,
    /// Whether a record has come.
    begun: bool,
    /// Capabilities in the configuration that change the list of blocks.
    ignore_shared: bool,
    mapped_ram: bool,
    skip: Option<Skip<R>>,
    reads_mapped_pages: bool,
    /// Whether sections have footers, once the first end of `ram` showed it.
    footers: Option<bool>,
    /// The START records so far.
    sections: Vec<SectionHeader>,
    current: Option<SectionHeader>,
    /// Whether the list of blocks has come.
    listed: bool,
    blocks: Vec<Block>,
    /// The index of each block.
    names: HashMap<IdStr, usize>,
    list: BlockList,
    /// The block of the last page record.
    block: Option<usize>,
    bitmap: Vec<u8>,
    package_end: Option<u64>,
}

impl<R: Read> Parser<R> {
    /// Creates a parser at byte 0 of the stream that `reader` gives.
    pub fn new(reader: R) -> Self {
        Parser::with_decoder(Decoder::with_capacity(reader, BUFFER))
    }

    /// Creates a parser that begins where `input` is.
    ///
    /// # Panics
    ///
    /// If the buffer of `input` is smaller than a page.
    pub fn with_decoder(input: Decoder<R>) -> Self {
        assert!(input.capacity() >= TARGET_PAGE_SIZE, "a buffer of at least a page");
        Parser {
            input,
            state: State::FileHeader,
            begun: false,
            ignore_shared: false,
            mapped_ram: false,
            skip: None,
            reads_mapped_pages: true,
            footers: None,
            sections: Vec::new(),
            current: None,
            listed: false,
            blocks: Vec::new(),
            names: HashMap::new(),
            list: BlockList::default(),
            block: None,
            bitmap: Vec::new(),
            package_end: None,
        }
    }

    /// Passes over the pages of mapped-ram files: [`Event::Bitmap`] comes, and no page.
    pub fn without_mapped_pages(self) -> Self {
        Parser { reads_mapped_pages: false, ..self }
    }

    /// Uses `skip` for bytes that are not needed, for instance the holes of a mapped-ram file.
    pub fn skip_with(self, skip: Skip<R>) -> Self {
        Parser { skip: Some(skip), ..self }
    }

    /// Returns the offset of the next event, in bytes.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Returns whether sections have footers; `None` before the first end of a part of `ram`.
    pub fn has_footers(&self) -> Option<bool> {
        self.footers
    }

    /// Returns the RAM blocks so far.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Reads the next event; `None` at the end of the stream. After an error it returns `None`.
    ///
    /// # Errors
    ///
    /// If the stream ends in the middle, its reader fails, or the bytes are no stream of QEMU's.
    #[allow(clippy::should_implement_trait)] // The event borrows from the parser.
    pub fn next(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        let state = self.state;
        // An error leaves this state.
        self.state = State::Ended;
        match state {
            State::Ram => self.ram(),
            State::FileHeader => {
                FileHeader::decode(&mut self.input)?;
                self.state = State::Record;
                Ok(Some(Event::FileHeader))
            }
            State::Record => self.record(),
            State::Blocks(total) => self.block(total),
            State::Mapped { total, next } => self.mapped(total, next),
            State::Payload => self.payload(),
            State::Footer => {
                let id = self.current.as_ref().map_or(0, |header| header.section_id);
                Footer::expect(&mut self.input, id)?;
                self.state = State::Record;
                Ok(Some(Event::SectionEnd))
            }
            State::AfterEof => {
                self.input.set_section(None);
                if self.input.peek_u8()? != Some(VMDESCRIPTION) {
                    return self.trailing();
                }
                match Record::decode(&mut self.input)? {
                    Record::VmDescription(description) => {
                        self.input.set_section(None);
                        self.state = State::Trailing;
                        Ok(Some(Event::VmDescription(description)))
                    }
                    _ => self.trailing(),
                }
            }
            State::Trailing => self.trailing(),
            State::Ended => Ok(None),
        }
    }

    fn trailing(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        if self.input.peek_u8()?.is_none() {
            return Ok(None);
        }
        let len = self.input.buffered();
        let bytes = self.input.take(len, "bytes after the stream")?;
        self.state = State::Trailing;
        Ok(Some(Event::Trailing(bytes)))
    }

    fn record(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        self.input.set_section(None);
        if let Some(end) = self.package_end {
            let at = self.input.offset();
            if at > end {
                let expected = format!("the end of the package at byte {end}");
                return Err(self.input.error(expected, format!("a record up to byte {at}")));
            }
            if at == end {
                self.package_end = None;
                self.state = State::Record;
                return Ok(Some(Event::PackageEnd));
            }
        }
        let at = self.input.offset();
        let (kind, header) = match Record::decode(&mut self.input)? {
            Record::Eof => {
                self.state = State::AfterEof;
                return Ok(Some(Event::Eof));
            }
            Record::Configuration(configuration) => {
                if self.begun {
                    let found = "a configuration that is not the first record";
                    return Err(self.input.error_at(at, "a record", found));
                }
                self.begun = true;
                let has = |name| {
                    let names = configuration.capabilities.iter().flatten();
                    names.into_iter().any(|capability: &IdStr| capability.as_str() == name)
                };
                (self.ignore_shared, self.mapped_ram) = (has("x-ignore-shared"), has("mapped-ram"));
                self.state = State::Record;
                return Ok(Some(Event::Configuration(configuration)));
            }
            Record::VmDescription(_) => {
                return Err(self.input.error_at(at, "a record", "a VM description before EOF"));
            }
            Record::Command(command) => {
                self.begun = true;
                if let Command::Packaged(len) = command {
                    if let Some(end) = self.package_end {
                        let found = format!("a package in the one that ends at byte {end}");
                        return Err(self.input.error_at(at, "a record of a package", found));
                    }
                    self.package_end = Some(self.input.offset() + u64::from(len));
                }
                self.state = State::Record;
                return Ok(Some(Event::Command(command)));
            }
            Record::Start(header) => {
                if self.sections.iter().any(|other| other.section_id == header.section_id) {
                    let found = format!("{} again", header.label());
                    return Err(self.input.error_at(at, "a new section", found));
                }
                if self.sections.len() == MAX_SECTIONS {
                    let expected = format!("at most {MAX_SECTIONS} sections in parts");
                    return Err(self.input.error_at(at, expected, "another"));
                }
                self.sections.push(header.clone());
                (SectionKind::Start, header)
            }
            Record::Full(header) => (SectionKind::Full, header),
            Record::Part { section_id } => (SectionKind::Part, self.started(at, section_id)?),
            Record::End { section_id } => (SectionKind::End, self.started(at, section_id)?),
        };
        self.input.set_section(Some(&header.label()));
        self.begun = true;
        let is_ram = header.idstr.as_str() == "ram" && header.instance_id == 0;
        if is_ram && header.version_id != RAM_VERSION {
            let expected = format!("version {RAM_VERSION} of section \"ram\"");
            return Err(self.input.error_at(
                at,
                expected,
                format!("version {}", header.version_id),
            ));
        }
        self.state = if is_ram { State::Ram } else { State::Payload };
        let header = &*self.current.insert(header);
        Ok(Some(Event::Section { kind, header }))
    }

    fn started(&self, at: u64, section_id: u32) -> Result<SectionHeader, DecodeError> {
        match self.sections.iter().find(|header| header.section_id == section_id) {
            Some(header) => Ok(header.clone()),
            None => {
                let expected = "the id of a section that a START record announced";
                Err(self.input.error_at(at, expected, format!("id {section_id}")))
            }
        }
    }

    fn ram(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        let at = self.input.offset();
        let head = self.input.peek(8)?;
        let Ok(head) = <[u8; 8]>::try_from(head) else {
            // Not a whole word: the decoder has the words for it.
            RamRecord::decode(&mut self.input)?;
            return Ok(None);
        };
        let word = u64::from_be_bytes(head);
        let flags = word & (TARGET_PAGE_SIZE as u64 - 1);
        if flags & !RamFlags::CONTINUE.bits() == RamFlags::XBZRLE.bits() {
            return self.delta(at, flags);
        }
        if flags == RamFlags::MEM_SIZE.bits() {
            self.input.be64("RAM record")?;
            if self.listed {
                return Err(self.input.error_at(at, "one list of RAM blocks", "a second list"));
            }
            self.listed = true;
            return self.block(PageOffset::containing(word).get());
        }
        match RamRecord::decode(&mut self.input)? {
            RamRecord::Page { offset, block } => {
                let block = self.resolve(at, block, offset)?;
                let left = self.blocks[block].used_length - offset.get();
                let left = usize::try_from(left).unwrap_or(usize::MAX) / TARGET_PAGE_SIZE;
                let run = PageRun::take(&mut self.input, offset, left.max(1))?;
                self.state = State::Ram;
                Ok(Some(Event::Pages { block, offset, run }))
            }
            RamRecord::Zero { offset, block } => {
                let block = self.resolve(at, block, offset)?;
                self.state = State::Ram;
                Ok(Some(Event::Zero { block, offset }))
            }
            RamRecord::MultifdFlush => {
                self.state = State::Ram;
                Ok(Some(Event::MultifdFlush))
            }
            RamRecord::EndOfSection => self.end_of_section(),
            RamRecord::BlockList(_) => Ok(None),
        }
    }

    /// Ends a section whose payload the parser knows, and so learns whether there are footers.
    fn end_of_section(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        let footers = match self.footers {
            Some(footers) => footers,
            None => {
                let next = self.input.peek_u8()?;
                let plain = matches!(next, Some(EOF..=SECTION_FULL | COMMAND));
                *self.footers.insert(!plain)
            }
        };
        if footers {
            let id = self.current.as_ref().map_or(0, |header| header.section_id);
            Footer::expect(&mut self.input, id)?;
        }
        self.state = State::Record;
        Ok(Some(Event::SectionEnd))
    }

    fn delta(&mut self, at: u64, flags: u64) -> Result<Option<Event<'_>>, DecodeError> {
        let offset = PageOffset::containing(self.input.be64("RAM record")?);
        let block = match flags & RamFlags::CONTINUE.bits() {
            0 => BlockRef::Named(IdStr::decode(&mut self.input)?),
            _ => BlockRef::Same,
        };
        let block = self.resolve(at, block, offset)?;
        let at = self.input.offset();
        match self.input.u8("encoding of a difference")? {
            1 => {}
            other => {
                let found = format!("{other:#04x}");
                return Err(self.input.error_at(at, "encoding 0x01 of a difference", found));
            }
        }
        let at = self.input.offset();
        let len = usize::from(self.input.be16("length of a difference")?);
        if len > TARGET_PAGE_SIZE {
            let expected = format!("a difference of at most {TARGET_PAGE_SIZE} bytes");
            return Err(self.input.error_at(at, expected, format!("{len} bytes")));
        }
        let bytes = self.input.take(len, "a difference")?;
        self.state = State::Ram;
        Ok(Some(Event::Delta { block, offset, bytes }))
    }

    /// Finds the block of a page record, and checks that it has the page.
    fn resolve(
        &mut self,
        at: u64,
        named: BlockRef,
        offset: PageOffset,
    ) -> Result<usize, DecodeError> {
        let index = match named {
            BlockRef::Same => self.block.ok_or_else(|| {
                self.input.error_at(
                    at,
                    "the name of a RAM block",
                    "CONTINUE without a block before",
                )
            })?,
            BlockRef::Named(name) => self.names.get(&name).copied().ok_or_else(|| {
                let found = format!("a page of {name:?}");
                self.input.error_at(at, "a page of a RAM block in the list", found)
            })?,
        };
        self.block = Some(index);
        let Block { idstr, used_length, .. } = &self.blocks[index];
        if offset.get() >= *used_length {
            let expected = format!("a page below {used_length:#x} in RAM block {idstr:?}");
            return Err(self.input.error_at(at, expected, format!("{:#x}", offset.get())));
        }
        Ok(index)
    }

    /// Reads an entry of the list of blocks, if it is not complete.
    fn block(&mut self, total: u64) -> Result<Option<Event<'_>>, DecodeError> {
        if self.list.total() >= total {
            return self.ram();
        }
        self.list.decode_entry(&mut self.input, total)?;
        let Some(entry) = self.list.blocks().last() else { return Ok(None) };
        let mut block = Block {
            idstr: entry.idstr.clone(),
            used_length: entry.used_length,
            page_size: None,
            address: None,
            mapped: None,
        };
        // The three capabilities exclude each other, but for x-ignore-shared and mapped-ram.
        if self.ignore_shared {
            block.address = Some(self.input.be64("address of a RAM block")?);
        } else if !self.mapped_ram {
            block.page_size = self.page_size()?;
        }
        if self.mapped_ram {
            block.mapped = Some(MappedRam::decode(&mut self.input)?);
        }
        self.state = match &block.mapped {
            // A block that both machines share has no pages in the file.
            Some(mapped) if mapped.pages_offset != 0 => State::Mapped { total, next: None },
            _ => State::Blocks(total),
        };
        let index = self.blocks.len();
        self.names.insert(block.idstr.clone(), index);
        self.blocks.push(block);
        Ok(Some(Event::Block { block: index }))
    }

    /// Reads the bitmap of the last block, or its next page.
    fn mapped(&mut self, total: u64, next: Option<u64>) -> Result<Option<Event<'_>>, DecodeError> {
        let block = self.blocks.len().saturating_sub(1);
        let Some(Block { used_length, mapped: Some(mapped), .. }) = self.blocks.get(block) else {
            return Ok(None);
        };
        let (used_length, mapped) = (*used_length, *mapped);
        let page = TARGET_PAGE_SIZE as u64;
        let Some(next) = next else {
            self.skip_to(mapped.bitmap_offset, "the bitmap of a RAM block")?;
            let len = (used_length / page).div_ceil(64) * 8;
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            self.bitmap = self.input.bytes(len, MAX_BITMAP, "bitmap of a RAM block")?;
            self.state = State::Mapped { total, next: Some(0) };
            return Ok(Some(Event::Bitmap { block, bitmap: &self.bitmap }));
        };
        let end = mapped.pages_offset.checked_add(used_length);
        let Some(end) = end.filter(|_| mapped.pages_offset >= self.input.offset() || next > 0)
        else {
            let expected = format!("pages after byte {}", self.input.offset());
            let found = format!("at byte {}", mapped.pages_offset);
            return Err(self.input.error(expected, found));
        };
        let number = match self.reads_mapped_pages {
            true => next_set(&self.bitmap, next).filter(|number| *number < used_length / page),
            false => None,
        };
        let Some(number) = number else {
            self.bitmap = Vec::new();
            self.skip_to(end, "the end of a RAM block")?;
            return self.block(total);
        };
        self.skip_to(mapped.pages_offset + number * page, "a page of a RAM block")?;
        let bytes = self.input.take(TARGET_PAGE_SIZE, "the bytes of a page")?;
        self.state = State::Mapped { total, next: Some(number + 1) };
        let (offset, run) = (PageOffset::containing(number * page), PageRun::one(bytes));
        Ok(Some(Event::Pages { block, offset, run }))
    }

    /// Reads the page size in an entry, if there is one. The length of the next name is not 0, and
    /// the word after the last entry is below any page size.
    fn page_size(&mut self) -> Result<Option<u64>, DecodeError> {
        let head = self.input.peek(8)?;
        let is_size = match <[u8; 8]>::try_from(head) {
            Ok(word) => word[0] == 0 && u64::from_be_bytes(word) >= TARGET_PAGE_SIZE as u64,
            // The stream ends in the page size, or in the word.
            Err(_) => head.first() == Some(&0),
        };
        if !is_size {
            return Ok(None);
        }
        self.input.be64("page size of a RAM block").map(Some)
    }

    fn skip_to(&mut self, to: u64, what: &'static str) -> Result<(), DecodeError> {
        let at = self.input.offset();
        let Some(mut left) = to.checked_sub(at) else {
            return Err(self.input.error(what, format!("its place before this one, at byte {to}")));
        };
        let buffered = left.min(self.input.buffered() as u64);
        self.input.skip(buffered, what)?;
        left -= buffered;
        if let Some(skip) = self.skip {
            while left > 0 {
                let mut passed = 0;
                self.input.read_past_buffer(what, |reader| {
                    passed = skip(reader, left)?.min(left);
                    usize::try_from(passed).map_err(io::Error::other)
                })?;
                if passed == 0 {
                    break;
                }
                left -= passed;
            }
        }
        self.input.skip(left, what)
    }

    /// Hands out the rest of a stream without footers.
    fn rest(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        if self.input.peek_u8()?.is_none() {
            return Ok(None);
        }
        let bytes = self.input.take(self.input.buffered(), "payload")?;
        self.state = State::Payload;
        Ok(Some(Event::Payload(bytes)))
    }

    /// Hands out the payload of an unknown section up to its footer.
    fn payload(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        let id = self.current.as_ref().map_or(0, |header| header.section_id);
        if self.footers == Some(false) {
            return self.rest();
        }
        let window = self.input.capacity();
        let bytes = self.input.peek(window)?;
        let whole = bytes.len() < window;
        // Where too little follows to tell, the next window decides.
        let judged = if whole { bytes.len() } else { bytes.len() - FOOTER - RECORD_HEAD };
        let (mut found, mut from) = (None, 0);
        while let Some(at) = bytes[from..judged].iter().position(|b| *b == SECTION_FOOTER) {
            let after = &bytes[from + at + 1..];
            if after.starts_with(&id.to_be_bytes()) && is_record(&self.sections, &after[4..], whole)
            {
                found = Some(from + at);
                break;
            }
            from += at + 1;
        }
        match found {
            Some(0) => {
                Footer::expect(&mut self.input, id)?;
                self.state = State::Record;
                Ok(Some(Event::SectionEnd))
            }
            Some(len) => {
                let bytes = self.input.take(len, "payload")?;
                self.state = State::Footer;
                Ok(Some(Event::Payload(bytes)))
            }
            None if whole && judged == 0 => {
                self.input.take(1, "the footer of the section")?;
                Ok(None)
            }
            None => {
                let bytes = self.input.take(judged, "payload")?;
                self.state = State::Payload;
                Ok(Some(Event::Payload(bytes)))
            }
        }
    }
}

/// The highest version of a section that the search for a footer accepts after it. QEMU's own stay
/// below 100.
const MAX_PLAUSIBLE_VERSION: u32 = 0xffff;

/// Returns the first page from `from` on whose bit is set.
fn next_set(bitmap: &[u8], from: u64) -> Option<u64> {
    let first = usize::try_from(from / 8).ok()?;
    let head = *bitmap.get(first)? & (0xff << (from % 8));
    if head != 0 {
        return Some(first as u64 * 8 + u64::from(head.trailing_zeros()));
    }
    let rest = &bitmap[first + 1..];
    let at = rest.iter().position(|byte| *byte != 0)?;
    Some((first + 1 + at) as u64 * 8 + u64::from(rest[at].trailing_zeros()))
}

/// Returns whether `bytes` begin with a record. If they are `whole`, the stream ends after
/// them, and a record that is cut there counts.
fn is_record(sections: &[SectionHeader], bytes: &[u8], whole: bool) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return whole };
    let be32 = |rest: &[u8]| rest.first_chunk().copied().map(u32::from_be_bytes);
    match *kind {
        EOF => match rest.split_first() {
            None => whole,
            Some((kind, rest)) => *kind == VMDESCRIPTION && rest.get(4).is_none_or(|b| *b == b'{'),
        },
        SECTION_START | SECTION_FULL => match rest.get(4) {
            None => whole,
            Some(0) => false,
            Some(len) => {
                let name = &rest[5..rest.len().min(5 + usize::from(*len))];
                let version = rest.get(5 + usize::from(*len) + 4..).and_then(be32);
                let is_name = name.iter().all(|byte| (b' '..=b'~').contains(byte));
                is_name && version.map_or(whole, |version| version <= MAX_PLAUSIBLE_VERSION)
            }
        },
        SECTION_PART | SECTION_END => match be32(rest) {
            None => whole,
            Some(id) => sections.iter().any(|header| header.section_id == id),
        },
        COMMAND => {
            let number = rest.first_chunk().copied().map(u16::from_be_bytes);
            let len = rest.get(2..).and_then(|len| len.first_chunk());
            let len = len.copied().map(u16::from_be_bytes);
            match (number, len) {
                (Some(number), Some(len)) => Command::is_head(number, len),
                _ => whole,
            }
        }
        _ => false,
    }
}
