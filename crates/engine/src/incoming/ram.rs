//! Section `ram` on its way in: `migration/ram.c`, the loading half.

use wire::ram::{BlockList, BlockRef, PageOffset, RamRecord};
use wire::{DecodeError, Decoder, TARGET_PAGE_SIZE, Wire};

use crate::channel::ChannelReader;
use crate::ram::{PageSet, RamBlock, store_zero};
use crate::state::MigrationState;

use super::run::{self, Run, RunReader};

/// How often the counters are brought up to date, in pages.
const COUNTED: u64 = 4096;

/// What is known of one block's pages.
struct Pages {
    /// A record has brought them.
    brought: PageSet,
    /// They hold zeros and have no memory behind them: to look at one would give it some.
    untouched: PageSet,
    /// A wrong guess has stored to them.
    spoiled: PageSet,
}

impl Pages {
    fn of(block: &RamBlock) -> Self {
        Pages {
            brought: PageSet::none(block.pages()),
            untouched: block.untouched(),
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

/// Where the loading of memory stands. It lives as long as the stream: a page record may
/// refer to the block of one in the section before.
pub(super) struct RamLoad {
    announced: bool,
    ended: bool,
    /// The block of the last page record, by its place in the host's list.
    last_block: Option<usize>,
    pages: Vec<Pages>,
    runs: RunReader,
    normal: u64,
    duplicate: u64,
    /// The pages of which the counters know.
    counted: u64,
}

impl RamLoad {
    pub(super) fn new(state: &MigrationState) -> Self {
        RamLoad {
            // A machine without memory has nothing to announce.
            announced: state.host.ram.is_empty(),
            ended: state.host.ram.is_empty(),
            last_block: None,
            pages: state.host.ram.iter().map(Pages::of).collect(),
            runs: RunReader::new(),
            normal: 0,
            duplicate: 0,
            counted: 0,
        }
    }

    /// One piece of the section, up to its end mark.
    pub(super) fn load(
        &mut self,
        state: &MigrationState,
        input: &mut Decoder<ChannelReader<'_>>,
    ) -> Result<(), DecodeError> {
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
                    let found = "MULTIFD_FLUSH";
                    return Err(input.error_at(at, "a record of a stream without multifd", found));
                }
            }
            if self.normal + self.duplicate >= self.counted + COUNTED {
                self.count(state, input.offset());
            }
        }
        self.count(state, input.offset());
        Ok(())
    }

    /// Receives page `page`, the head of which was read, and what follows it in a row.
    fn receive(
        &mut self,
        state: &MigrationState,
        input: &mut Decoder<ChannelReader<'_>>,
        index: usize,
        mut page: usize,
    ) -> Result<(), DecodeError> {
        let (block, pages) = (&state.host.ram[index], &mut self.pages[index]);
        loop {
            let end = block.pages().min(page + run::MOST);
            let most = 1 + pages.brought.gap(page + 1, end);
            let run = self.runs.receive(input, block, page, most)?;
            pages.note(page, run);
            self.normal += run.received as u64;
            page += run.received;
            if !run.next_head {
                return Ok(());
            }
        }
    }

    fn count(&mut self, state: &MigrationState, transferred: u64) {
        self.counted = self.normal + self.duplicate;
        state.incoming.progress.update(|info| {
            info.normal = self.normal;
            info.duplicate = self.duplicate;
            info.transferred = transferred;
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
        let block = &state.host.ram[index];
        if offset.get() >= block.used_length() {
            let expected = format!(
                "an offset below {:#x} in RAM block {:?}",
                block.used_length(),
                block.idstr().as_str()
            );
            return Err(input.error_at(at, expected, format!("{:#x}", offset.get())));
        }
        Ok((index, (offset.get() / TARGET_PAGE_SIZE as u64) as usize))
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
        state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
    ) -> Result<(), DecodeError> {
        if self.ended {
            return Err(input.error("one END of section \"ram\"", "a second one"));
        }
        for (block, pages) in state.host.ram.iter().zip(&self.pages) {
            pages.make_good(block);
        }
        self.ended = true;
        Ok(())
    }

    /// The stream has ended; memory must have.
    pub(super) fn check_complete(
        &self,
        _state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
    ) -> Result<(), DecodeError> {
        if self.announced && self.ended {
            Ok(())
        } else {
            Err(input.error("END of section \"ram\"", "the end of the stream"))
        }
    }
}

fn ours(state: &MigrationState) -> String {
    let names: Vec<String> = state
        .host
        .ram
        .iter()
        .map(|block| format!("{:?} ({:#x} bytes)", block.idstr().as_str(), block.used_length()))
        .collect();
    format!("RAM blocks {}", names.join(", "))
}
