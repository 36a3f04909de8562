//! Loads the section `ram`: the loading half of `migration/ram.c`.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use wire::ram::{BlockList, BlockRef, PageOffset, PageRun, RamRecord};
use wire::{DecodeError, Decoder, TARGET_PAGE_SIZE, Wire};

use crate::attempt::Begun;
use crate::error::MigrationError;
use crate::memory::{PageSet, RamBlock, store, store_zero};
use crate::transport::ChannelReader;

use super::connections::Connections;
use super::new_memory::write_new;
use super::place::{ours, page};
use super::receivers::Receivers;

/// Maximum number of pages in one write to a file; the decoder's buffer holds fewer.
const MAX_AT_ONCE: usize = 256;

/// Number of pages between two updates of the counters.
const COUNTED: u64 = 4096;

/// The multifd channels.
enum Multifd {
    /// Multifd is off.
    Off,
    /// The channels are collected at the end of the first section.
    Waiting(Box<Connections>),
    Running {
        receivers: Receivers,
        /// Whether each section ends a pass (QEMU before 8.1); otherwise the source marks the end
        /// of a pass.
        flush_after_each_section: bool,
    },
}

/// The progress of loading memory. It lives as long as the stream, because a page record may refer
/// to the block of a record in the section before.
pub(super) struct RamLoad<'a> {
    begun: &'a Begun,
    announced: bool,
    ended: bool,
    /// Index of the last page record's block in the host's list.
    last_block: Option<usize>,
    /// For each block, the pages that read as zero and have no memory allocated. Reading one would
    /// allocate it.
    untouched: Vec<Arc<PageSet>>,
    /// For each block, the pages that the main channel has not brought; and their total number.
    missing: Vec<PageSet>,
    missing_pages: usize,
    normal: u64,
    duplicate: u64,
    multifd: Multifd,
    /// The normal pages, zero pages and bytes that the counters already include.
    counted: (u64, u64, u64),
}

impl<'a> RamLoad<'a> {
    pub(super) fn new(begun: &'a Begun, multifd: Option<Connections>) -> Self {
        let state = begun.state();
        RamLoad {
            begun,
            announced: false,
            ended: false,
            last_block: None,
            untouched: state.host.ram.iter().map(|block| Arc::new(block.untouched())).collect(),
            missing: state.host.ram.iter().map(|block| PageSet::all(block.pages())).collect(),
            missing_pages: state.host.ram.iter().map(RamBlock::pages).sum(),
            normal: 0,
            duplicate: 0,
            multifd: multifd
                .map_or(Multifd::Off, |connections| Multifd::Waiting(Box::new(connections))),
            counted: (0, 0, 0),
        }
    }

    /// Loads one piece of the section, up to its end mark.
    pub(super) fn load(
        &mut self,
        input: &mut Decoder<ChannelReader<'_>>,
    ) -> Result<(), MigrationError> {
        let mut flushed = false;
        loop {
            let at = input.offset();
            match RamRecord::decode(input)? {
                RamRecord::EndOfSection => break,
                RamRecord::BlockList(list) => self.announce(input, at, &list)?,
                RamRecord::Zero { offset, block } => {
                    let (index, page) = self.page(input, at, block, offset)?;
                    self.zero(index, page);
                }
                RamRecord::Page { offset, block } => {
                    let (index, page) = self.page(input, at, block, offset)?;
                    self.receive(input, index, page)?;
                }
                RamRecord::MultifdFlush => {
                    self.flush()?;
                    flushed = true;
                }
            }
            if self.normal + self.duplicate >= self.counted.0 + self.counted.1 + COUNTED {
                self.count(input.offset());
            }
        }
        self.end_of_section(flushed)?;
        self.count(input.offset());
        Ok(())
    }

    /// Ends a pass where the source marks its end.
    fn flush(&mut self) -> Result<(), MigrationError> {
        match &self.multifd {
            Multifd::Running { receivers, .. } => receivers.sync(self.begun.state()),
            // The end of this section ends the pass.
            Multifd::Waiting(_) => Ok(()),
            // QEMU 8.1.0 sends the mark without multifd too (its commit d4f34485ca), and QEMU
            // ignores it.
            Multifd::Off => Ok(()),
        }
    }

    /// Handles the end of a section. All channels have connected when the first section ends.
    /// Whether the source marked the end of the pass there shows whether it does so in later
    /// sections.
    fn end_of_section(&mut self, flushed: bool) -> Result<(), MigrationError> {
        match std::mem::replace(&mut self.multifd, Multifd::Off) {
            Multifd::Off => {}
            Multifd::Waiting(connections) => {
                let receivers = Receivers::start(self.begun, *connections, self.untouched.clone())?;
                receivers.sync(self.begun.state())?;
                self.multifd = Multifd::Running { receivers, flush_after_each_section: !flushed };
            }
            Multifd::Running { receivers, flush_after_each_section } => {
                if flush_after_each_section {
                    receivers.sync(self.begun.state())?;
                }
                self.multifd = Multifd::Running { receivers, flush_after_each_section };
            }
        }
        Ok(())
    }

    /// Loads a zero page, which needs no work where no memory is allocated.
    fn zero(&mut self, index: usize, page: usize) {
        self.duplicate += 1;
        self.came(index, page..page + 1);
        if !self.untouched[index].contains(page) {
            store_zero(self.begun.state().host.ram[index].page(page));
        }
    }

    /// Loads a page whose bytes follow. If no memory is allocated for it, also loads the pages that
    /// follow it.
    fn receive(
        &mut self,
        input: &mut Decoder<ChannelReader<'_>>,
        index: usize,
        page: usize,
    ) -> Result<(), MigrationError> {
        let (block, untouched) = (&self.begun.state().host.ram[index], &self.untouched[index]);
        let new = match block.shared_file() {
            None => 0,
            Some(_) => (page..block.pages())
                .take(MAX_AT_ONCE)
                .take_while(|page| untouched.contains(*page))
                .count(),
        };
        let pages = if new == 0 {
            store(block.page(page), input.take(TARGET_PAGE_SIZE, "the bytes of a page")?);
            1
        } else {
            let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
            let run = PageRun::take(input, offset, new)?;
            let mut bytes: Vec<_> = run.pages().map(IoSlice::new).collect();
            write_new(self.begun.state(), index, page, &mut bytes)?;
            bytes.len()
        };
        untouched.remove_range(page..page + pages);
        self.normal += pages as u64;
        self.came(index, page..page + pages);
        Ok(())
    }

    fn came(&mut self, index: usize, pages: Range<usize>) {
        let missing = &mut self.missing[index];
        self.missing_pages -= pages.filter(|page| missing.remove(*page)).count();
    }

    /// Updates the counters, after `bytes` bytes of the stream were read.
    pub(super) fn count(&mut self, bytes: u64) {
        let (normal, duplicate, transferred) = self.counted;
        self.counted = (self.normal, self.duplicate, bytes);
        self.begun.state().incoming.progress.update(|info| {
            info.normal += self.normal - normal;
            info.duplicate += self.duplicate - duplicate;
            info.transferred += bytes - transferred;
        });
    }

    /// Finds the page of a record, which must lie in a block of this machine, and returns the index
    /// of the block in the host's list and of the page in the block.
    fn page(
        &mut self,
        input: &Decoder<ChannelReader<'_>>,
        at: u64,
        block: BlockRef,
        offset: PageOffset,
    ) -> Result<(usize, usize), DecodeError> {
        if !self.announced {
            return Err(input.error_at(at, "the list of RAM blocks", "a page"));
        }
        let index = match block {
            BlockRef::Named(idstr) => self
                .begun
                .state()
                .host
                .ram
                .iter()
                .position(|block| *block.idstr() == idstr)
                .ok_or_else(|| {
                    input.error_at(
                        at,
                        ours(self.begun.state()),
                        format!("RAM block {:?}", idstr.as_str()),
                    )
                })?,
            BlockRef::Same => self.last_block.ok_or_else(|| {
                input.error_at(at, "the name of a RAM block", "CONTINUE on the first page")
            })?,
        };
        self.last_block = Some(index);
        Ok((index, page(input, at, &self.begun.state().host.ram[index], offset)?))
    }

    /// Checks that the list of blocks names each block of this machine, and no other.
    fn announce(
        &mut self,
        input: &Decoder<ChannelReader<'_>>,
        at: u64,
        list: &BlockList,
    ) -> Result<(), DecodeError> {
        if self.announced {
            return Err(input.error_at(at, "one list of RAM blocks", "a second one"));
        }
        for entry in list.blocks() {
            let block =
                self.begun.state().host.ram.iter().find(|block| *block.idstr() == entry.idstr);
            let name = entry.idstr.as_str();
            let Some(block) = block else {
                return Err(input.error_at(
                    at,
                    ours(self.begun.state()),
                    format!("RAM block {name:?}"),
                ));
            };
            if block.used_length() != entry.used_length {
                let expected = format!("RAM block {name:?} of {:#x} bytes", block.used_length());
                return Err(input.error_at(
                    at,
                    expected,
                    format!("{:#x} bytes", entry.used_length),
                ));
            }
        }
        if list.blocks().len() != self.begun.state().host.ram.len() {
            let found = format!("{} blocks", list.blocks().len());
            return Err(input.error_at(at, ours(self.begun.state()), found));
        }
        self.announced = true;
        let total = list.total();
        self.begun.state().incoming.progress.update(|info| info.total = total);
        Ok(())
    }

    /// Records that the last piece was loaded.
    pub(super) fn end(&mut self, input: &Decoder<ChannelReader<'_>>) -> Result<(), DecodeError> {
        if self.ended {
            return Err(input.error("one END of section \"ram\"", "a second one"));
        }
        self.ended = true;
        Ok(())
    }

    /// Checks that memory is complete, before the end of the stream. A machine without memory may
    /// come without the section. A background snapshot has no END: it sends each page once
    /// (`bg_migration_completion`).
    pub(super) fn check_whole(
        &self,
        input: &Decoder<ChannelReader<'_>>,
    ) -> Result<(), DecodeError> {
        let nothing_came = !self.announced && !self.ended;
        let whole = self.ended || self.missing_pages == 0;
        if self.announced && whole || nothing_came && self.begun.state().host.ram.is_empty() {
            return Ok(());
        }
        Err(input.error("END of section \"ram\", or each of its pages", "the end of the stream"))
    }

    /// Ends the threads of the channels after the end of the stream.
    pub(super) fn finish(&mut self) -> Result<(), MigrationError> {
        match std::mem::replace(&mut self.multifd, Multifd::Off) {
            Multifd::Off | Multifd::Waiting(_) => Ok(()),
            Multifd::Running { receivers, .. } => receivers.finish(),
        }
    }
}
