//! Finds the place in memory for a page of the stream.

use wire::ram::PageOffset;
use wire::{DecodeError, Decoder, TARGET_PAGE_SIZE};

use crate::memory::RamBlock;
use crate::state::MigrationState;
use crate::transport::ChannelReader;

/// Returns the number of the page at `offset`, if the block has it.
pub(super) fn page(
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

/// Lists the RAM blocks of this machine, for an error about another block.
pub(super) fn ours(state: &MigrationState) -> String {
    let names: Vec<String> = state
        .host
        .ram
        .iter()
        .map(|block| format!("{:?} ({:#x} bytes)", block.idstr().as_str(), block.used_length()))
        .collect();
    format!("RAM blocks {}", names.join(", "))
}
