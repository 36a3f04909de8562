//! Errors of decoding a stream, and of making values to encode.

use std::io;

use crate::IdStr;

/// An error that says where a stream was refused, what the decoder expected there, and what it
/// found.
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
    /// The bytes or the value in the stream.
    pub found: String,
    pub(crate) end_of_stream: bool,
    pub(crate) source: Option<io::Error>,
}

fn within(section: &Option<String>) -> String {
    section.as_ref().map(|section| format!(", in {section}")).unwrap_or_default()
}

impl DecodeError {
    /// Returns whether the stream ended before the item was complete.
    pub fn is_end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Returns the error of the reader, if decoding stopped because of one.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }
}

/// An error of a constructor: the stream cannot express the value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// A block's length must be whole pages, at least one: an empty block would not advance the
    /// total that ends the list.
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
        /// Number of ranges given.
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
