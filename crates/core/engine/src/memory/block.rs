//! Defines the named blocks of guest RAM, with their memory and their dirty log.

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
    /// The dirty log, which only the running migration reads.
    log: Mutex<Box<dyn DirtyLog>>,
}

/// The reason why memory cannot be a RAM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a RAM block has a whole number of {TARGET_PAGE_SIZE}-byte pages and at least one, not {bytes} bytes"
)]
pub struct RamSizeError {
    bytes: usize,
}

impl RamSizeError {
    /// Checks that memory of `bytes` bytes can be a RAM block.
    ///
    /// # Errors
    ///
    /// If the memory is empty or not a whole number of pages.
    pub fn check(bytes: usize) -> Result<(), Self> {
        if bytes == 0 || !bytes.is_multiple_of(TARGET_PAGE_SIZE) {
            return Err(RamSizeError { bytes });
        }
        Ok(())
    }
}

impl RamBlock {
    /// Makes a block with the name by which both ends know it.
    ///
    /// # Errors
    ///
    /// If the memory is empty or not a whole number of pages.
    pub fn new(
        idstr: IdStr,
        memory: Arc<dyn GuestMemory>,
        log: Box<dyn DirtyLog>,
    ) -> Result<Self, RamSizeError> {
        RamSizeError::check(size_of_val(memory.words()))?;
        Ok(RamBlock { idstr, memory, log: Mutex::new(log) })
    }

    /// Returns the name.
    pub fn idstr(&self) -> &IdStr {
        &self.idstr
    }

    /// Returns the number of pages.
    pub fn pages(&self) -> usize {
        self.memory.words().len() / PAGE_WORDS
    }

    /// Returns the size in bytes (`used_length`).
    pub fn used_length(&self) -> u64 {
        (self.pages() * TARGET_PAGE_SIZE) as u64
    }

    /// Returns the words of one page.
    ///
    /// # Panics
    ///
    /// If the block has no such page.
    pub(crate) fn page(&self, page: usize) -> &[AtomicU64] {
        &self.memory.words()[page * PAGE_WORDS..][..PAGE_WORDS]
    }

    /// Returns the words of `pages`, with adjacent pages merged into one slice.
    ///
    /// # Panics
    ///
    /// If the block does not have all of these pages.
    pub(crate) fn runs(&self, pages: &[usize]) -> Vec<&[AtomicU64]> {
        let words = self.memory.words();
        let runs = pages.chunk_by(|page, next| page + 1 == *next);
        runs.map(|run| &words[run[0] * PAGE_WORDS..][..run.len() * PAGE_WORDS]).collect()
    }

    pub(crate) fn shared_file(&self) -> Option<BorrowedFd<'_>> {
        self.memory.shared_file()
    }

    /// Returns the pages that are untouched now.
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
