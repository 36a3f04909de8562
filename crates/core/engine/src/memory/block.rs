//! Blocks of guest RAM, by name.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::{IdStr, TARGET_PAGE_SIZE};

use super::{DirtyLog, GuestMemory, PAGE_WORDS, PageSet};

/// A named block of guest RAM. It cannot be copied: its dirty log has one reader.
pub struct RamBlock {
    idstr: IdStr,
    memory: Arc<dyn GuestMemory>,
    /// Read by the one migration that runs.
    log: Mutex<Box<dyn DirtyLog>>,
}

/// Memory that cannot be a RAM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a RAM block has a whole number of {TARGET_PAGE_SIZE}-byte pages and at least one, not {bytes} bytes"
)]
pub struct RamSizeError {
    bytes: usize,
}

impl RamSizeError {
    /// Tells whether memory of `bytes` bytes can be a RAM block.
    ///
    /// # Errors
    ///
    /// If it is not a whole number of pages, or none.
    pub fn check(bytes: usize) -> Result<(), Self> {
        if bytes == 0 || !bytes.is_multiple_of(TARGET_PAGE_SIZE) {
            return Err(RamSizeError { bytes });
        }
        Ok(())
    }
}

impl RamBlock {
    /// A block by the name that both ends know it by.
    ///
    /// # Errors
    ///
    /// If the memory is not a whole number of pages, or none.
    pub fn new(
        idstr: IdStr,
        memory: Arc<dyn GuestMemory>,
        log: Box<dyn DirtyLog>,
    ) -> Result<Self, RamSizeError> {
        RamSizeError::check(size_of_val(memory.words()))?;
        Ok(RamBlock { idstr, memory, log: Mutex::new(log) })
    }

    /// The name.
    pub fn idstr(&self) -> &IdStr {
        &self.idstr
    }

    /// How many pages.
    pub fn pages(&self) -> usize {
        self.memory.words().len() / PAGE_WORDS
    }

    /// Bytes (`used_length`).
    pub fn used_length(&self) -> u64 {
        (self.pages() * TARGET_PAGE_SIZE) as u64
    }

    /// The words of one page.
    ///
    /// # Panics
    ///
    /// If the block has no such page.
    pub(crate) fn page(&self, page: usize) -> &[AtomicU64] {
        &self.memory.words()[page * PAGE_WORDS..][..PAGE_WORDS]
    }

    /// The words of `pages`, those of neighbours as one piece.
    ///
    /// # Panics
    ///
    /// If the block has not all of them.
    pub(crate) fn runs(&self, pages: &[usize]) -> Vec<&[AtomicU64]> {
        let words = self.memory.words();
        let runs = pages.chunk_by(|page, next| page + 1 == *next);
        runs.map(|run| &words[run[0] * PAGE_WORDS..][..run.len() * PAGE_WORDS]).collect()
    }

    pub(crate) fn shared_file(&self) -> Option<BorrowedFd<'_>> {
        self.memory.shared_file()
    }

    /// The pages that are untouched now.
    pub(crate) fn untouched(&self) -> PageSet {
        let mut set = PageSet::none(self.pages());
        self.memory.each_untouched(&mut |pages| {
            set.insert_range(pages);
        });
        set
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Box<dyn DirtyLog>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RamBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RamBlock")
            .field("idstr", &self.idstr)
            .field("used_length", &self.used_length())
            .finish_non_exhaustive()
    }
}
