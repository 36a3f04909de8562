//! Section `ram` on its way in: `migration/ram.c`, the loading half.

use std::sync::Arc;

use wire::ram::{BlockList, BlockRef, PageOffset, RamRecord};
use wire::{DecodeError, Decoder, TARGET_PAGE_SIZE, Wire};

use crate::channel::ChannelReader;
use crate::error::MigrationError;
use crate::ram::{PageSet, RamBlock, store_zero};
use crate::state::MigrationState;

use super::multifd::{Connections, Receivers};
use super::run::{self, Run, RunReader};
use super::stage::Stage;

/// How often the counters are brought up to date, in pages.
const COUNTED: u64 = 4096;

/// What is known of one block's pages.
struct Pages {
    /// A record has brought them.
    brought: PageSet,
    /// They hold zeros and have no memory behind them: to look at one would give it some.
    untouched: Arc<PageSet>,
    /// A wrong guess has stored to them.
    spoiled: PageSet,
}

impl Pages {
    fn of(block: &RamBlock) -> Self {
        Pages {
            brought: PageSet::none(block.pages()),
            untouched: Arc::new(block.untouched()),
            spoiled: PageSet::none(block.pages()),
        }
    }

    /// A record has brought a page of zeros.
    fn store_zero(&mut self, block: &RamBlock, page: usize) {
        self.brought.insert(page);
        if !self.untouched.contains(page) {
            store_zero(block.page(page));
        }
    }

    /// Whether a guess may put something into a page: into memory, or `staged`.
    fn is_guessable(&self, page: usize, staged: bool) -> bool {
        !self.brought.contains(page) && (!staged || self.untouched.contains(page))
    }

    /// A run of records from page `first` on has brought pages.
    fn note(&mut self, first: usize, run: Run) {
        let guessed = first + run.received..first + run.received + run.spoiled;
        self.brought.insert_range(first..guessed.start);
        self.untouched.remove_range(first..guessed.end);
        self.spoiled.insert_range(guessed);
    }

    /// Pages that were spoiled and that nothing came for hold what fresh memory holds.
    fn make_good(&self, block: &RamBlock) {
        for page in self.spoiled.iter().filter(|page| !self.brought.contains(*page)) {
            store_zero(block.page(page));
        }
    }
}

/// The channels beside the main one.
enum Multifd {
    /// There are none.
    Off,
    /// They are taken at the end of the first section.
    Waiting(Box<Connections>),
    Running {
        receivers: Receivers,
        /// A section that ends is the end of a pass (before QEMU 8.1); else the source says so.
        flush_after_each_section: bool,
    },
}

/// Where the loading of memory stands. It lives as long as the stream: a page record may
/// refer to the block of one in the section before.
pub(super) struct RamLoad {
    announced: bool,
    ended: bool,
    /// The block of the last page record, by its place in the host's list.
    last_block: Option<usize>,
    pages: Vec<Pages>,
    runs: RunReader,
    stage: Stage,
    normal: u64,
    duplicate: u64,
    multifd: Multifd,
    /// The pages and bytes of which the counters know.
    counted: (u64, u64, u64),
}

impl RamLoad {
    pub(super) fn new(state: &MigrationState, multifd: Option<Connections>) -> Self {
        RamLoad {
            // A machine without memory has nothing to announce.
            announced: state.host.ram.is_empty(),
            ended: state.host.ram.is_empty(),
            last_block: None,
            pages: state.host.ram.iter().map(Pages::of).collect(),
            runs: RunReader::new(),
            stage: Stage::new(run::MOST),
            normal: 0,
            duplicate: 0,
            multifd: multifd
                .map_or(Multifd::Off, |connections| Multifd::Waiting(Box::new(connections))),
            counted: (0, 0, 0),
        }
    }

    /// One piece of the section, up to its end mark.
    pub(super) fn load(
        &mut self,
        state: &MigrationState,
        input: &mut Decoder<ChannelReader<'_>>,
    ) -> Result<(), MigrationError> {
        let mut flushed = false;
        loop {
            let at = input.offset();
            match RamRecord::decode(input)? {
                RamRecord::EndOfSection => break,
                RamRecord::BlockList(list) => self.announce(state, input, at, &list)?,
                RamRecord::Zero { offset, block } => {
                    let (index, page) = self.page(state, input, at, block, offset)?;
                    self.pages[index].store_zero(&state.host.ram[index], page);
                    self.duplicate += 1;
                }
                RamRecord::Page { offset, block } => {
                    let (index, page) = self.page(state, input, at, block, offset)?;
                    self.receive(state, input, index, page)?;
                }
                RamRecord::MultifdFlush => {
                    self.flush(state)?;
                    flushed = true;
                }
            }
            if self.normal + self.duplicate >= self.counted.0 + self.counted.1 + COUNTED {
                self.count(state, input.offset());
            }
        }
        self.end_of_section(state, flushed)?;
        self.count(state, input.offset());
        Ok(())
    }

    /// The source says that a pass ends here.
    fn flush(&mut self, state: &MigrationState) -> Result<(), MigrationError> {
        match &self.multifd {
            Multifd::Running { receivers, .. } => receivers.sync(state),
            // The end of this section does it.
            Multifd::Waiting(_) => Ok(()),
            // QEMU 8.1.0 says so without multifd too (its commit d4f34485ca), and QEMU ignores it.
            Multifd::Off => Ok(()),
        }
    }

    /// All channels are there when the first section ends, and whether that one said that the pass
    /// ends tells what the others mean.
    fn end_of_section(
        &mut self,
        state: &MigrationState,
        flushed: bool,
    ) -> Result<(), MigrationError> {
        match std::mem::replace(&mut self.multifd, Multifd::Off) {
            Multifd::Off => {}
            Multifd::Waiting(connections) => {
                let untouched = self.pages.iter().map(|pages| Arc::clone(&pages.untouched));
                let receivers = Receivers::start(state, *connections, untouched.collect())?;
                receivers.sync(state)?;
                self.multifd = Multifd::Running { receivers, flush_after_each_section: !flushed };
            }
            Multifd::Running { receivers, flush_after_each_section } => {
                if flush_after_each_section {
                    receivers.sync(state)?;
                }
                self.multifd = Multifd::Running { receivers, flush_after_each_section };
            }
        }
        Ok(())
    }

    /// Receives page `page`, the head of which was read, and what follows it in a row.
    fn receive(
        &mut self,
        state: &MigrationState,
        input: &mut Decoder<ChannelReader<'_>>,
        index: usize,
        mut page: usize,
    ) -> Result<(), MigrationError> {
        let (block, pages) = (&state.host.ram[index], &mut self.pages[index]);
        let has_file = block.shared_file().is_some();
        loop {
            let staged = has_file && pages.untouched.contains(page);
            // With other threads that store to memory, nothing is guessed.
            let most = match self.multifd {
                Multifd::Off => (page + 1..block.pages().min(page + run::MOST))
                    .take_while(|page| pages.is_guessable(*page, staged))
                    .count(),
                Multifd::Waiting(_) | Multifd::Running { .. } => 0,
            };
            let place = if staged { self.stage.pages(1 + most) } else { block.words_from(page) };
            let run = self.runs.receive(state, input, index, page, place, 1 + most)?;
            if staged {
                let received: Vec<usize> = (page..page + run.received).collect();
                self.stage.write(state, index, &received)?;
            }
            pages.note(page, Run { spoiled: if staged { 0 } else { run.spoiled }, ..run });
            self.normal += run.received as u64;
            page += run.received;
            if !run.next_head {
                return Ok(());
            }
        }
    }

    /// Brings the counters up to date, with `bytes` of the stream read.
    pub(super) fn count(&mut self, state: &MigrationState, bytes: u64) {
        let (normal, duplicate, transferred) = self.counted;
        self.counted = (self.normal, self.duplicate, bytes);
        state.incoming.progress.update(|info| {
            info.normal += self.normal - normal;
            info.duplicate += self.duplicate - duplicate;
            info.transferred += bytes - transferred;
        });
    }

    /// The page that a record is about, which must lie in one of our blocks: the block's place in
    /// the host's list, and the page's in the block.
    fn page(
        &mut self,
        state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
        at: u64,
        block: BlockRef,
        offset: PageOffset,
    ) -> Result<(usize, usize), DecodeError> {
        if !self.announced {
            return Err(input.error_at(at, "the list of RAM blocks", "a page"));
        }
        let index = match block {
            BlockRef::Named(idstr) => {
                state.host.ram.iter().position(|block| *block.idstr() == idstr).ok_or_else(
                    || input.error_at(at, ours(state), format!("RAM block {:?}", idstr.as_str())),
                )?
            }
            BlockRef::Same => self.last_block.ok_or_else(|| {
                input.error_at(at, "the name of a RAM block", "CONTINUE on the first page")
            })?,
        };
        self.last_block = Some(index);
        Ok((index, page(state, input, at, &state.host.ram[index], offset)?))
    }

    /// The list of blocks: each of ours, and no other.
    fn announce(
        &mut self,
        state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
        at: u64,
        list: &BlockList,
    ) -> Result<(), DecodeError> {
        if self.announced {
            return Err(input.error_at(at, "one list of RAM blocks", "a second one"));
        }
        for entry in list.blocks() {
            let block = state.host.ram.iter().find(|block| *block.idstr() == entry.idstr);
            let name = entry.idstr.as_str();
            let Some(block) = block else {
                return Err(input.error_at(at, ours(state), format!("RAM block {name:?}")));
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
        if list.blocks().len() != state.host.ram.len() {
            let found = format!("{} blocks", list.blocks().len());
            return Err(input.error_at(at, ours(state), found));
        }
        self.announced = true;
        let total = list.total();
        state.incoming.progress.update(|info| info.total = total);
        Ok(())
    }

    /// The last piece was loaded.
    pub(super) fn end(
        &mut self,
        _state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
    ) -> Result<(), DecodeError> {
        if self.ended {
            return Err(input.error("one END of section \"ram\"", "a second one"));
        }
        self.ended = true;
        Ok(())
    }

    /// The stream has ended; memory must have.
    pub(super) fn finish(
        self,
        state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
    ) -> Result<(), MigrationError> {
        if !self.announced || !self.ended {
            return Err(input.error("END of section \"ram\"", "the end of the stream").into());
        }
        // Only now: pages that come after END are taken as well.
        for (block, pages) in state.host.ram.iter().zip(&self.pages) {
            pages.make_good(block);
        }
        match self.multifd {
            Multifd::Off | Multifd::Waiting(_) => Ok(()),
            Multifd::Running { receivers, .. } => receivers.finish(state),
        }
    }
}

/// The page at `offset` of a block, if the block has it.
pub(super) fn page(
    _state: &MigrationState,
    input: &Decoder<ChannelReader<'_>>,
    at: u64,
    block: &RamBlock,
    offset: PageOffset,
) -> Result<usize, DecodeError> {
    if offset.get() >= block.used_length() {
        let expected = format!(
            "an offset below {:#x} in RAM block {:?}",
            block.used_length(),
            block.idstr().as_str()
        );
        return Err(input.error_at(at, expected, format!("{:#x}", offset.get())));
    }
    Ok((offset.get() / TARGET_PAGE_SIZE as u64) as usize)
}

/// The RAM blocks of this machine, for an error about another.
pub(super) fn ours(state: &MigrationState) -> String {
    let names: Vec<String> = state
        .host
        .ram
        .iter()
        .map(|block| format!("{:?} ({:#x} bytes)", block.idstr().as_str(), block.used_length()))
        .collect();
    format!("RAM blocks {}", names.join(", "))
}
