//! Guest RAM: anonymous memory, or a file that is mapped shared.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use migration::{GuestMemory, PAGE_WORDS};

/// Mapped memory of a guest.
///
/// # Invariants
///
/// `map` is mapped for as long as this lives, starts at a page, and nothing in this process
/// refers to it but through [`GuestMemory::words`].
#[derive(Debug)]
pub struct Ram {
    map: MmapRaw,
    /// Nobody here is meant to store, so a page need not be there to be stored to.
    only_read: bool,
}

impl Ram {
    /// Anonymous memory of `bytes` bytes, all zero.
    ///
    /// # Errors
    ///
    /// If there is not so much.
    pub fn anonymous(bytes: usize) -> io::Result<Self> {
        Ok(Ram { map: MmapRaw::from(MmapMut::map_anon(bytes)?), only_read: false })
    }

    /// The whole of `file`, shared with whoever else has it.
    ///
    /// # Errors
    ///
    /// If it cannot be mapped for reading and writing.
    pub fn shared(file: &File) -> io::Result<Self> {
        Ok(Ram { map: MmapOptions::new().map_raw(file)?, only_read: false })
    }

    /// What `file` holds; stores stay in this process.
    ///
    /// # Errors
    ///
    /// If it cannot be mapped for reading.
    pub fn private(file: &File) -> io::Result<Self> {
        // SAFETY: a file that others change gives other words, which atomics may read.
        let map = unsafe { MmapOptions::new().map_copy(file)? };
        Ok(Ram { map: MmapRaw::from(map), only_read: true })
    }

    /// Touches every page, so that none is missing later (`prealloc=on` of QEMU), as long as
    /// `goes_on` says so.
    pub fn preallocate(&self, goes_on: impl Fn() -> bool) {
        for word in self.words().iter().step_by(PAGE_WORDS).take_while(|_| goes_on()) {
            if self.only_read {
                word.load(Ordering::Relaxed);
            } else {
                let value = word.load(Ordering::Relaxed);
                let _ = word.compare_exchange(value, value, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
    }
}

impl GuestMemory for Ram {
    fn words(&self) -> &[AtomicU64] {
        let (start, bytes) = (self.map.as_mut_ptr().cast::<AtomicU64>(), self.map.len());
        // SAFETY: by the invariant the mapping lives as long as `self`, is aligned, and is
        // used in this process through atomics alone. Other processes and the kernel are not
        // bound by Rust's rules, and what they store is a word like any other.
        unsafe { std::slice::from_raw_parts(start, bytes / size_of::<u64>()) }
    }
}
