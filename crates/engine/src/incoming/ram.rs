//! Section `ram` on its way in: `migration/ram.c`, the loading half.

use wire::ram::{BlockList, BlockRef, PageOffset, RamRecord};
use wire::{DecodeError, Decoder, TARGET_PAGE_SIZE, Wire};

use crate::channel::ChannelReader;
use crate::ram::{RamBlock, store, store_zero};
use crate::state::MigrationState;

/// How often the counters are brought up to date, in pages.
const COUNTED: u64 = 4096;

/// Where the loading of memory stands. It lives as long as the stream: a page record may
/// refer to the block of one in the section before.
pub(super) struct RamLoad {
    announced: bool,
    ended: bool,
    /// The block of the last page record, by its place in the host's list.
    last_block: Option<usize>,
    normal: u64,
    duplicate: u64,
}

impl RamLoad {
    pub(super) fn new(state: &MigrationState) -> Self {
        RamLoad {
            // A machine without memory has nothing to announce.
            announced: state.host.ram.is_empty(),
            ended: state.host.ram.is_empty(),
            last_block: None,
            normal: 0,
            duplicate: 0,
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
                    let (block, page) = self.page(state, input, at, block, offset)?;
                    store_zero(block.page(page));
                    self.duplicate += 1;
                }
                RamRecord::Page { offset, block } => {
                    let (block, page) = self.page(state, input, at, block, offset)?;
                    store(block.page(page), input.take(TARGET_PAGE_SIZE, "the bytes of a page")?);
                    self.normal += 1;
                }
                RamRecord::MultifdFlush => {
                    let found = "MULTIFD_FLUSH";
                    return Err(input.error_at(at, "a record of a stream without multifd", found));
                }
            }
            if (self.normal + self.duplicate).is_multiple_of(COUNTED) {
                self.count(state, input.offset());
            }
        }
        self.count(state, input.offset());
        Ok(())
    }

    fn count(&self, state: &MigrationState, transferred: u64) {
        state.incoming.progress.update(|info| {
            info.normal = self.normal;
            info.duplicate = self.duplicate;
            info.transferred = transferred;
        });
    }

    /// The page that a record is about, which must lie in one of our blocks.
    fn page<'s>(
        &mut self,
        state: &'s MigrationState,
        input: &Decoder<ChannelReader<'_>>,
        at: u64,
        block: BlockRef,
        offset: PageOffset,
    ) -> Result<(&'s RamBlock, usize), DecodeError> {
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
        Ok((block, (offset.get() / TARGET_PAGE_SIZE as u64) as usize))
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
