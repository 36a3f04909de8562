//! What can be wrong with a stream, and what can be wrong with a value that should go into one.

use std::io;

use crate::IdStr;

/// Why a stream was refused: where, in what, what the decoder wanted there and what it got.
#[derive(Debug, thiserror::Error)]
#[error("at byte {offset}{}: expected {expected}, found {found}", within(.section))]
pub struct DecodeError {
    /// Bytes from the start of the stream to the first byte of the refused item.
    pub offset: u64,
    /// The record or section around the item, for instance `section "ram" (id 2)` or
    /// `configuration`.
    pub section: Option<String>,
    /// The item, and the values it may have.
    pub expected: String,
    /// What the stream has in its place.
    pub found: String,
    pub(crate) end_of_stream: bool,
    pub(crate) source: Option<io::Error>,
}

fn within(section: &Option<String>) -> String {
    section.as_ref().map(|section| format!(", in {section}")).unwrap_or_default()
}

impl DecodeError {
    /// Whether the stream ended before the item was complete.
    pub fn is_end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// The error of the reader, if that is why decoding stopped.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }
}

/// A value that the stream has no way to say; constructors refuse it.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// A block's length goes into the list as whole pages, and one of no length would never end the
    /// list.
    #[error(
        "RAM block {block:?} of {length:#x} bytes, not a positive multiple of the target page size"
    )]
    BlockLength {
        /// The block.
        block: IdStr,
        /// Its length in bytes.
        length: u64,
    },
    /// A block is named twice.
    #[error("RAM block {block:?} twice")]
    DuplicateBlock {
        /// The block.
        block: IdStr,
    },
    /// More blocks than [`crate::ram::MAX_BLOCKS`].
    #[error("more than {} RAM blocks", crate::ram::MAX_BLOCKS)]
    TooManyBlocks,
    /// The lengths of all blocks together do not fit 64 bits.
    #[error("RAM blocks of more than 2^64 bytes in total")]
    TotalOverflow,
    /// A discard command without ranges, or with more than its 16-bit length can hold.
    #[error("{count} ranges in one discard command")]
    DiscardRanges {
        /// How many ranges were given.
        count: usize,
    },
    /// A VM description longer than [`crate::MAX_VM_DESCRIPTION`].
    #[error("a VM description of {len} bytes")]
    VmDescriptionLength {
        /// Its length in bytes.
        len: usize,
    },
    /// A VM description that is not JSON.
    #[error("a VM description that is not JSON")]
    VmDescriptionJson(#[source] serde_json::Error),
    /// A run state that `globalstate` cannot hold: it has 32 bytes for the text and its closing
    /// NUL.
    #[error("run state {text:?}, not 1 to 31 bytes without a NUL")]
    RunState {
        /// The text.
        text: String,
    },
}
