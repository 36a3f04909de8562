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
/// and nothing in this process refers to it but through [`GuestMemory::words`]. Nobody takes a page
/// out of it.
#[derive(Debug)]
pub struct Ram {
    map: MmapRaw,
    backing: Backing,
    /// Whether a machine has it.
    in_machine: AtomicBool,
}

/// What is behind memory, and where it has no content of its own, if that is known.
#[derive(Debug)]
enum Backing {
    Anonymous,
    Shared {
        /// To write to, where it can be.
        file: Option<File>,
        holes: Option<Holes>,
    },
    /// Nobody here is meant to store, so a page need not be there to be stored to.
    Private(Option<Holes>),
}

impl Ram {
    /// Anonymous memory of `bytes` bytes, all zero.
    ///
    /// # Errors
    ///
    /// If there is not so much, or `bytes` is not a whole number of guest pages ([`RamSizeError`]).
    pub fn anonymous(bytes: usize) -> io::Result<Self> {
        Ram::of(MmapRaw::from(MmapMut::map_anon(bytes)?), Backing::Anonymous)
    }

    /// The whole of `file`, shared with whoever else has it.
    ///
    /// In a file in memory (tmpfs, memfd) the first read of a hole gives it a page: whoever reads all
    /// of it makes it dense.
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

    /// What `file` holds; stores stay in this process. No memory is set aside for them, since a
    /// sender stores nothing: the file may be larger than there is memory.
    ///
    /// # Errors
    ///
    /// If it cannot be mapped for reading, or is not a whole number of guest pages
    /// ([`RamSizeError`]).
    pub fn private(file: &File) -> io::Result<Self> {
        // SAFETY: a file that others change gives other words, which atomics may read.
        let map = unsafe { MmapOptions::new().no_reserve_swap().map_copy(file)? };
        Ram::of(MmapRaw::from(map), Backing::Private(Holes::of(file)))
    }

    fn of(map: MmapRaw, backing: Backing) -> io::Result<Self> {
        // Later it could not be told: bytes after the last whole word are in no slice of words.
        RamSizeError::check(map.len())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Ram { map, backing, in_machine: AtomicBool::new(false) })
    }

    /// Notes that a machine has it, once and for all: a vCPU may outlive its machine's other parts.
    ///
    /// # Errors
    ///
    /// If one has it already.
    pub(crate) fn put_into_machine(&self) -> Result<(), MachineError> {
        match self.in_machine.swap(true, Ordering::Relaxed) {
            false => Ok(()),
            true => Err(MachineError::MemoryTaken),
        }
    }

    /// Whether others can store to it, so that a page that was written may not be in this process.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.backing, Backing::Shared { .. })
    }

    /// Where it is: whole pages of the host.
    pub(crate) fn addresses(&self) -> Range<usize> {
        let start = self.map.as_mut_ptr().addr();
        start..start + self.map.len().next_multiple_of(rustix::param::page_size())
    }

    /// Makes every page be there, so that none is missing later (`prealloc=on` of QEMU), as
    /// long as `goes_on` says so.
    ///
    /// # Errors
    ///
    /// If there is no memory for a page: the file system is full, or the file was cut short.
    pub fn preallocate(&self, goes_on: impl Fn() -> bool) -> io::Result<()> {
        /// Some milliseconds of work.
        const CHUNK: usize = 16 << 20;

        let advice = match self.backing {
            Backing::Private(_) => Advice::LinuxPopulateRead,
            Backing::Anonymous | Backing::Shared { .. } => Advice::LinuxPopulateWrite,
        };
        for words in self.words().chunks(CHUNK / size_of::<u64>()).take_while(|_| goes_on()) {
            let (start, bytes) = (words.as_ptr().cast_mut().cast(), size_of_val(words));
            // SAFETY: it gives pages memory and leaves their contents as they are.
            match unsafe { madvise(start, bytes, advice) } {
                Ok(()) => {}
                // Linux before 5.14. A page for which there is no memory ends the process.
                Err(Errno::INVAL) => self.touch(words),
                // A touch would be a SIGBUS.
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
                // Adds nothing; but it is a store, so the page is there. The compiler must not
                // know: it makes no store of what changes nothing.
                word.fetch_add(black_box(0), Ordering::Relaxed);
            }
        }
    }

    /// Reports addresses that hold zeros and have no memory.
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
                // A hole in the file first, and no page of our own in its place after: so
                // what is reported was zero between the two.
                let pagemap = Pagemap::open()?;
                holes.each(self.map.len() as u64, &mut |hole| {
                    each_of_the_file(&pagemap, place(hole), report)
                })
            }
            Backing::Shared { holes: None, .. } | Backing::Private(None) => Ok(()),
        }
    }
}

/// The file, if what is written to an offset of it goes there.
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
        // What was reported before an error is right; and the rest is not known.
        let _ = self.each_untouched_address(&mut |addresses| {
            // Whole pages, and none beyond the last.
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
