//! Guest RAM: anonymous memory, or a file that is mapped.

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use migration::{GuestMemory, PAGE_WORDS, RamSizeError};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};
use wire::TARGET_PAGE_SIZE;

use crate::MachineError;
use crate::pagemap::Pagemap;
use crate::untouched::{Holes, each_empty, each_of_the_file};

/// Mapped memory of a guest.
///
/// # Invariants
///
/// `map` is mapped for as long as this lives, starts at a page, has a whole number of guest pages,
/// and nothing in this process refers to it but through [`GuestMemory::words`]. No code takes a
/// page out of it.
#[derive(Debug)]
pub struct Ram {
    map: MmapRaw,
    backing: Backing,
    /// Whether the memory belongs to a machine.
    in_machine: AtomicBool,
}

/// The backing of memory, and its holes if they are known.
#[derive(Debug)]
enum Backing {
    Anonymous,
    Shared {
        /// The file, if writes to it by offset are possible.
        file: Option<File>,
        holes: Option<Holes>,
    },
    /// Memory that no code here should store to, so a page need not be present for a store.
    Private(Option<Holes>),
}

impl Ram {
    /// Maps anonymous memory of `bytes` bytes, all zero.
    ///
    /// # Errors
    ///
    /// If there is not enough memory, or `bytes` is not a whole number of guest pages
    /// ([`RamSizeError`]).
    pub fn anonymous(bytes: usize) -> io::Result<Self> {
        Ram::of(MmapRaw::from(MmapMut::map_anon(bytes)?), Backing::Anonymous)
    }

    /// Maps the whole of `file`, shared with its other users.
    ///
    /// In a file in memory (tmpfs, memfd) the first read of a hole allocates a page, so reading all
    /// of it allocates all of it.
    ///
    /// # Errors
    ///
    /// If it cannot be mapped for reading and writing, or is not a whole number of guest pages
    /// ([`RamSizeError`]).
    pub fn shared(file: &File) -> io::Result<Self> {
        let map = MmapOptions::new().map_raw(file)?;
        let backing = Backing::Shared { file: to_write_at(file), holes: Holes::of(file) };
        Ram::of(map, backing)
    }

    /// Maps the contents of `file`; stores stay in this process. No memory is reserved for stores,
    /// since a sender makes none, so the file may be larger than memory.
    ///
    /// # Errors
    ///
    /// If it cannot be mapped for reading, or is not a whole number of guest pages
    /// ([`RamSizeError`]).
    pub fn private(file: &File) -> io::Result<Self> {
        // SAFETY: if other processes change the file, the words change, and atomics may read that.
        let map = unsafe { MmapOptions::new().no_reserve_swap().map_copy(file)? };
        Ram::of(MmapRaw::from(map), Backing::Private(Holes::of(file)))
    }

    fn of(map: MmapRaw, backing: Backing) -> io::Result<Self> {
        // Checked here, because the slice of words does not show bytes after the last whole word.
        RamSizeError::check(map.len())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Ram { map, backing, in_machine: AtomicBool::new(false) })
    }

    /// Marks the memory as used by a machine, permanently: a vCPU may outlive the other parts of
    /// its machine.
    ///
    /// # Errors
    ///
    /// If the memory already belongs to a machine.
    pub fn put_into_machine(&self) -> Result<(), MachineError> {
        match self.in_machine.swap(true, Ordering::Relaxed) {
            false => Ok(()),
            true => Err(MachineError::MemoryTaken),
        }
    }

    /// Returns whether other processes can store to the memory, so that a written page may not be
    /// mapped in this process.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.backing, Backing::Shared { .. })
    }

    /// Returns the addresses of the memory, as whole pages of the host.
    pub(crate) fn addresses(&self) -> Range<usize> {
        let start = self.map.as_mut_ptr().addr();
        start..start + self.map.len().next_multiple_of(rustix::param::page_size())
    }

    /// Asks the kernel for huge pages, as QEMU does for guest RAM (`ram_block_add`). A guest under
    /// KVM then causes one fault for 2 MiB where it would cause 512.
    ///
    /// It is advice for pages that are allocated later, and for anonymous memory only. Nothing else
    /// changes if the kernel has none.
    pub fn prefer_huge_pages(&self) {
        if matches!(self.backing, Backing::Anonymous) {
            // SAFETY: the call changes which pages are allocated, and not their contents.
            let _ = unsafe {
                madvise(self.map.as_mut_ptr().cast(), self.map.len(), Advice::LinuxHugepage)
            };
        }
    }

    /// Allocates every page in advance (`prealloc=on` of QEMU), as long as `goes_on` returns
    /// `true`.
    ///
    /// # Errors
    ///
    /// If a page cannot be allocated: the file system is full, or the file was truncated.
    pub fn preallocate(&self, goes_on: impl Fn() -> bool) -> io::Result<()> {
        /// Bytes between two calls of `goes_on`: some milliseconds of work.
        const CHUNK: usize = 16 << 20;

        let advice = match self.backing {
            Backing::Private(_) => Advice::LinuxPopulateRead,
            Backing::Anonymous | Backing::Shared { .. } => Advice::LinuxPopulateWrite,
        };
        for words in self.words().chunks(CHUNK / size_of::<u64>()).take_while(|_| goes_on()) {
            let (start, bytes) = (words.as_ptr().cast_mut().cast(), size_of_val(words));
            // SAFETY: the call allocates pages and does not change their contents.
            match unsafe { madvise(start, bytes, advice) } {
                Ok(()) => {}
                // Linux before 5.14. If a page cannot be allocated, the process gets a SIGBUS.
                Err(Errno::INVAL) => self.touch(words),
                // Touching the page would raise SIGBUS.
                Err(Errno::FAULT) => {
                    return Err(match self.backing {
                        Backing::Private(_) => io::ErrorKind::UnexpectedEof.into(),
                        Backing::Anonymous | Backing::Shared { .. } => {
                            io::ErrorKind::StorageFull.into()
                        }
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn touch(&self, words: &[AtomicU64]) {
        for word in words.iter().step_by(PAGE_WORDS) {
            if matches!(self.backing, Backing::Private(_)) {
                black_box(word.load(Ordering::Relaxed));
            } else {
                // Adds 0, but it is a store, so it allocates the page. `black_box` hides the 0 from
                // the compiler, which would drop a store that changes nothing.
                word.fetch_add(black_box(0), Ordering::Relaxed);
            }
        }
    }

    /// Reports addresses that read as zero and have no memory.
    fn each_untouched_address(&self, report: &mut dyn FnMut(Range<usize>)) -> io::Result<()> {
        let start = self.addresses().start;
        let place = |hole: Range<u64>| start + hole.start as usize..start + hole.end as usize;
        match &self.backing {
            Backing::Anonymous => each_empty(self.addresses(), report),
            Backing::Shared { holes: Some(holes), .. } => {
                holes.each(self.map.len() as u64, &mut |hole| {
                    report(place(hole));
                    Ok(())
                })
            }
            Backing::Private(Some(holes)) => {
                // First a hole is found in the file, and then that no private page covers it. So
                // the reported bytes were zero between the two.
                let pagemap = Pagemap::open()?;
                holes.each(self.map.len() as u64, &mut |hole| {
                    each_of_the_file(&pagemap, place(hole), report)
                })
            }
            Backing::Shared { holes: None, .. } | Backing::Private(None) => Ok(()),
        }
    }
}

/// Returns the file, unless it was opened for appending, where a write ignores its offset.
fn to_write_at(file: &File) -> Option<File> {
    let appends = rustix::fs::fcntl_getfl(file).ok()?.contains(OFlags::APPEND);
    if appends { None } else { file.try_clone().ok() }
}

impl GuestMemory for Ram {
    fn words(&self) -> &[AtomicU64] {
        let (start, bytes) = (self.map.as_mut_ptr().cast::<AtomicU64>(), self.map.len());
        // SAFETY: by the invariant the mapping lives as long as `self`, is aligned, and is
        // used in this process through atomics alone. Other processes and the kernel are not
        // bound by Rust's rules, and what they store is a word like any other.
        unsafe { std::slice::from_raw_parts(start, bytes / size_of::<u64>()) }
    }

    fn shared_file(&self) -> Option<BorrowedFd<'_>> {
        match &self.backing {
            Backing::Shared { file, .. } => file.as_ref().map(File::as_fd),
            Backing::Anonymous | Backing::Private(_) => None,
        }
    }

    fn each_untouched(&self, report: &mut dyn FnMut(Range<usize>)) {
        let start = self.addresses().start;
        let pages = self.map.len() / TARGET_PAGE_SIZE;
        // On an error the ranges reported so far are correct, and the rest is unknown.
        let _ = self.each_untouched_address(&mut |addresses| {
            // Only whole pages, up to the last.
            let first = (addresses.start - start).div_ceil(TARGET_PAGE_SIZE);
            let end = ((addresses.end - start) / TARGET_PAGE_SIZE).min(pages);
            if first < end {
                report(first..end);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_memory_holds_what_it_held_and_is_there() {
        let ram = Ram::anonymous(1 << 20).expect("memory");
        ram.words()[700].store(7, Ordering::Relaxed);
        ram.touch(ram.words());
        ram.each_untouched(&mut |pages| panic!("{pages:?} is not there"));
        let sum: u64 = ram.words().iter().map(|word| word.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 7);
    }
}
