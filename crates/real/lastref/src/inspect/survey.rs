//! What a stream has: its records with their places, its RAM counted, its device sections kept.

use std::io::Read;

use wire::layout::Layout;
use wire::parser::{Block, Event, Parser, SectionKind};
use wire::{Command, Configuration, DecodeError, SectionHeader, TARGET_PAGE_SIZE};

use super::pages::PageSet;
use super::without_footers;

/// Maximum number of records that are listed. PART records in a row are one.
pub(crate) const MAX_RECORDS: usize = 1 << 16;

/// Maximum number of bytes of device sections that are kept, to show their fields. Those of a
/// machine with a few devices have less than one MiB.
pub(crate) const MAX_DEVICE_STATE: usize = 64 << 20;

/// A record.
pub(crate) struct Entry {
    /// Offset of the first byte.
    pub(crate) at: u64,
    /// Length in bytes.
    pub(crate) size: u64,
    pub(crate) what: What,
}

/// What a record is.
pub(crate) enum What {
    Header,
    Configuration(Configuration),
    /// START, END or FULL.
    Section(Section),
    /// PART records that follow each other, by section.
    Parts(Vec<Parts>),
    Command {
        name: &'static str,
        detail: String,
    },
    PackageEnd,
    Eof,
    VmDescription,
    Trailing,
}

/// The parts of a section among PART records that follow each other. Devices that migrate live take
/// turns, so there can be many.
pub(crate) struct Parts {
    pub(crate) section: Section,
    /// Number of records.
    pub(crate) records: u64,
    /// Bytes of these records.
    pub(crate) size: u64,
}

/// A section, or the head of one of its records.
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) instance: u32,
    pub(crate) version: u32,
    /// Offset of the payload.
    pub(crate) payload_at: u64,
    /// The payload of a device section, if it is kept.
    pub(crate) payload: Option<Vec<u8>>,
    /// The list of RAM blocks is in it.
    pub(crate) blocks: bool,
}

impl Section {
    pub(super) fn new(kind: SectionKind, header: &SectionHeader) -> Section {
        let is_device = kind == SectionKind::Full && header.idstr.as_str() != "ram";
        Section {
            kind,
            id: header.section_id,
            name: header.idstr.to_string(),
            instance: header.instance_id,
            version: header.version_id,
            payload_at: 0,
            payload: is_device.then(Vec::new),
            blocks: false,
        }
    }

    /// Returns whether it is a device section, whose payload is kept.
    pub(crate) fn is_device(&self) -> bool {
        self.kind == SectionKind::Full && self.name != "ram"
    }
}

/// What came of a RAM block.
#[derive(Default)]
pub(crate) struct Count {
    /// Pages with their bytes.
    pub(crate) pages: u64,
    /// Pages of zeros.
    pub(crate) zero: u64,
    /// Differences from a page sent before (XBZRLE).
    pub(crate) deltas: u64,
    /// Records of a page that had come before.
    pub(crate) doubled: u64,
    /// Pages that came at least once.
    distinct: u64,
    /// Pages that the set had no room for.
    untracked: u64,
}

impl Count {
    /// Returns the pages of the block that did not come; `None` if there were too many to tell.
    pub(crate) fn holes(&self, block: &Block) -> Option<u64> {
        let pages = block.used_length / TARGET_PAGE_SIZE as u64;
        (self.untracked == 0).then(|| pages.saturating_sub(self.distinct))
    }
}

/// What was found in a stream.
#[derive(Default)]
pub(crate) struct Survey {
    pub(crate) entries: Vec<Entry>,
    /// Records beyond [`MAX_RECORDS`].
    pub(crate) unlisted: u64,
    pub(crate) blocks: Vec<Block>,
    pub(crate) counts: Vec<Count>,
    pub(crate) multifd: bool,
    pub(crate) layout: Option<Layout>,
    /// Offset of the end.
    pub(crate) end: u64,
    pub(crate) damage: Option<DecodeError>,
    /// Why the description cannot be used.
    pub(crate) description_error: Option<serde_json::Error>,
    kept: usize,
    /// The part that the stream is in: its place in the list of the last record, and its start.
    part: Option<(usize, u64)>,
    sent: PageSet,
}

impl Survey {
    /// Reads the stream to its end or to its damage.
    pub(crate) fn of<R: Read>(parser: &mut Parser<R>) -> Survey {
        Survey::with(parser, |_| ())
    }

    /// Reads the stream like [`Survey::of`], and shows each event to `watch`.
    pub(crate) fn with<R: Read>(
        parser: &mut Parser<R>,
        mut watch: impl FnMut(&Event<'_>),
    ) -> Survey {
        let mut survey = Survey::default();
        loop {
            let at = parser.offset();
            survey.end = at;
            match parser.next() {
                Ok(Some(event)) => {
                    watch(&event);
                    survey.event(at, event);
                }
                Ok(None) => break,
                Err(error) => {
                    survey.end = parser.offset().max(error.offset);
                    survey.damage = Some(error);
                    break;
                }
            }
            // After the header of a section its payload begins.
            if let Some(section) = survey.section()
                && section.payload_at == 0
            {
                section.payload_at = parser.offset();
            }
        }
        survey.blocks = parser.blocks().to_vec();
        survey.end_part(survey.end);
        survey.close(survey.end);
        if parser.has_footers() == Some(false) && survey.damage.is_none() {
            survey.damage = without_footers::split(&mut survey).err();
        }
        survey
    }

    fn event(&mut self, at: u64, event: Event<'_>) {
        match event {
            Event::Pages { block, offset, run } => {
                let pages = run.pages().len() as u64;
                self.counts[block].pages += pages;
                for page in 0..pages {
                    self.came(block, offset.get() + page * TARGET_PAGE_SIZE as u64);
                }
            }
            Event::Zero { block, offset } => {
                self.counts[block].zero += 1;
                self.came(block, offset.get());
            }
            Event::Delta { block, offset, .. } => {
                self.counts[block].deltas += 1;
                self.came(block, offset.get());
            }
            Event::Payload(bytes) => self.keep(bytes),
            Event::SectionEnd => {}
            Event::MultifdFlush => self.multifd = true,
            Event::Block { .. } => {
                self.counts.push(Count::default());
                if let Some(section) = self.section() {
                    section.blocks = true;
                }
            }
            Event::Bitmap { block, bitmap } => {
                let set = bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum();
                let count = &mut self.counts[block];
                (count.pages, count.distinct) = (set, set);
            }
            Event::FileHeader => self.push(at, What::Header),
            Event::Configuration(configuration) => {
                self.push(at, What::Configuration(configuration));
            }
            Event::Section { kind, header } => {
                if kind == SectionKind::Part {
                    return self.part(at, header);
                }
                self.push(at, What::Section(Section::new(kind, header)));
            }
            Event::Command(command) => {
                let detail = detail(&command);
                self.push(at, What::Command { name: command.name(), detail });
            }
            Event::PackageEnd => self.push(at, What::PackageEnd),
            Event::Eof => self.push(at, What::Eof),
            Event::VmDescription(description) => {
                self.push(at, What::VmDescription);
                match Layout::parse(&description) {
                    Ok(layout) => self.layout = Some(layout),
                    Err(error) => self.description_error = Some(error),
                }
            }
            Event::Trailing(_) => {
                let last = self.entries.last().map(|entry| &entry.what);
                if !matches!(last, Some(What::Trailing)) {
                    self.push(at, What::Trailing);
                }
            }
        }
    }

    /// Returns the section that the stream is in, if it is listed.
    pub(super) fn section(&mut self) -> Option<&mut Section> {
        match self.entries.last_mut() {
            Some(Entry { what: What::Section(section), .. }) if self.unlisted == 0 => Some(section),
            _ => None,
        }
    }

    fn came(&mut self, block: usize, offset: u64) {
        let count = &mut self.counts[block];
        match self.sent.insert(block, offset / TARGET_PAGE_SIZE as u64) {
            Some(true) => count.distinct += 1,
            Some(false) => count.doubled += 1,
            None => count.untracked += 1,
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let kept = self.kept + bytes.len();
        let Some(section) = self.section() else { return };
        let Some(payload) = &mut section.payload else { return };
        if kept > MAX_DEVICE_STATE {
            section.payload = None;
        } else {
            payload.extend_from_slice(bytes);
            self.kept = kept;
        }
    }

    /// Begins a PART record at `at`.
    fn part(&mut self, at: u64, header: &SectionHeader) {
        if self.unlisted > 0 {
            self.unlisted += 1;
            return;
        }
        if !matches!(self.entries.last(), Some(Entry { what: What::Parts(_), .. })) {
            self.push(at, What::Parts(Vec::new()));
        }
        self.end_part(at);
        let Some(Entry { what: What::Parts(list), .. }) = self.entries.last_mut() else { return };
        let known = list.iter().position(|parts| parts.section.id == header.section_id);
        let place = known.unwrap_or_else(|| {
            let section = Section::new(SectionKind::Part, header);
            list.push(Parts { section, records: 0, size: 0 });
            list.len() - 1
        });
        list[place].records += 1;
        self.part = Some((place, at));
    }

    /// Ends the part that the stream is in, if it is in one.
    fn end_part(&mut self, at: u64) {
        if let Some((place, start)) = self.part.take()
            && let Some(Entry { what: What::Parts(list), .. }) = self.entries.last_mut()
        {
            list[place].size += at - start;
        }
    }

    /// Begins a record at `at`, which ends the one before.
    pub(super) fn push(&mut self, at: u64, what: What) {
        self.end_part(at);
        self.close(at);
        if self.entries.len() == MAX_RECORDS {
            self.unlisted += 1;
        } else {
            self.entries.push(Entry { at, size: 0, what });
        }
    }

    pub(super) fn close(&mut self, at: u64) {
        if self.unlisted == 0
            && let Some(last) = self.entries.last_mut()
        {
            last.size = at - last.at;
        }
    }
}

/// Says what a command has besides its name.
pub(super) fn detail(command: &Command) -> String {
    match command {
        Command::Ping(value) => format!("{value:#x}"),
        Command::PostcopyAdvise(Some(sizes)) => {
            format!("page sizes {:#x}, target page size {:#x}", sizes.summary, sizes.target)
        }
        Command::PostcopyRamDiscard(discard) => {
            let bytes = discard.ranges().iter().map(|range| u128::from(range.length));
            let (block, ranges, bytes) =
                (discard.block(), discard.ranges().len(), bytes.sum::<u128>());
            format!("{block:?}, {ranges} ranges, {bytes} bytes")
        }
        Command::Packaged(len) => format!("{len} bytes"),
        Command::RecvBitmap(block) => format!("{block:?}"),
        _ => String::new(),
    }
}
