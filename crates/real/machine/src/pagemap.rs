//! The state of this process's pages in the kernel's page tables: `/proc/self/pagemap`.
//!
//! Structures and constants are those of the kernel's `include/uapi/linux/fs.h`. Its
//! `Documentation/admin-guide/mm/pagemap.rst` explains them.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

/// `PAGE_IS_WRITTEN`: not write-protected through userfaultfd.
const WRITTEN: u64 = 1 << 1;
/// `PAGE_IS_FILE`: belongs to a file, and not to this process alone.
const FILE: u64 = 1 << 2;
/// `PAGE_IS_PRESENT`.
const PRESENT: u64 = 1 << 3;
/// `PAGE_IS_SWAPPED`: not present, but not empty. A marker that protects the place of an absent
/// page also counts.
const SWAPPED: u64 = 1 << 4;
/// `PAGE_IS_PFNZERO`: the kernel's one page of zeros.
const ZERO: u64 = 1 << 5;

/// `PM_SCAN_WP_MATCHING`.
const WP_MATCHING: u64 = 1 << 0;
/// `PM_SCAN_CHECK_WPASYNC`.
const CHECK_WPASYNC: u64 = 1 << 1;

/// The pages that a scan selects, and what it does to them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages {
    flags: u64,
    /// Categories whose meaning is inverted.
    inverted: u64,
    /// Categories of which a page must have all.
    mask: u64,
    /// Categories of which a page must have one, unless there are none.
    anyof: u64,
}

impl Pages {
    /// Pages written since the last such scan, in memory registered for tracking. The scan protects
    /// them again.
    pub(crate) const WRITTEN: Pages =
        Pages { flags: WP_MATCHING | CHECK_WPASYNC, inverted: 0, mask: WRITTEN, anyof: 0 };

    /// Pages of [`Pages::WRITTEN`] that have memory.
    pub(crate) const WRITTEN_AND_THERE: Pages =
        Pages { anyof: PRESENT | SWAPPED, ..Pages::WRITTEN };

    /// Pages in memory registered for tracking. The scan fails in other memory, and protects
    /// nothing.
    pub(crate) const TRACKED: Pages = Pages { flags: CHECK_WPASYNC, ..Pages::WRITTEN };

    /// Pages of anonymous memory that were never written, as far as is visible. They may have been
    /// read.
    pub(crate) const UNTOUCHED: Pages =
        Pages { flags: 0, inverted: PRESENT | SWAPPED, mask: SWAPPED, anyof: PRESENT | ZERO };

    /// Pages of a private mapping of a file that are unchanged from the file.
    pub(crate) const OF_THE_FILE: Pages = Pages { anyof: PRESENT | FILE, ..Pages::UNTOUCHED };
}

/// `struct page_region`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Debug)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `PAGEMAP_SCAN`, which returns the number of regions and the address where it stopped.
///
/// # Invariants
///
/// `vec` and `vec_len` of the argument describe regions that are borrowed for `'a`.
struct Scan<'a> {
    argument: ScanArgument,
    regions: PhantomData<&'a mut [PageRegion]>,
}

impl<'a> Scan<'a> {
    fn new(addresses: &Range<usize>, pages: Pages, regions: &'a mut [PageRegion]) -> Self {
        // INVARIANT: both describe `regions`, which is borrowed for 'a.
        let (vec, vec_len) = (regions.as_mut_ptr() as u64, regions.len() as u64);
        let argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            flags: pages.flags,
            start: addresses.start as u64,
            end: addresses.end as u64,
            walk_end: 0,
            vec,
            vec_len,
            max_pages: 0,
            category_inverted: pages.inverted,
            category_mask: pages.mask,
            category_anyof_mask: pages.anyof,
            // Pages with the same returned categories share a region.
            return_mask: pages.mask & WRITTEN,
        };
        Scan { argument, regions: PhantomData }
    }
}

// SAFETY: the opcode is made from the argument's type, which has the layout that the kernel
// names for it; `as_ptr` points to one.
unsafe impl Ioctl for Scan<'_> {
    type Output = (usize, usize);

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<ScanArgument>(b'f', 16)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.argument).cast()
    }

    unsafe fn output_from_ptr(
        regions: IoctlOutput,
        argument: *mut c_void,
    ) -> rustix::io::Result<(usize, usize)> {
        // SAFETY: the caller passes what `as_ptr` gave.
        let argument = unsafe { &*argument.cast::<ScanArgument>() };
        Ok((usize::try_from(regions).unwrap_or_default(), argument.walk_end as usize))
    }
}

/// `/proc/self/pagemap` of the process that opened it.
#[derive(Debug)]
pub(crate) struct Pagemap {
    file: File,
}

impl Pagemap {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Pagemap { file: File::open("/proc/self/pagemap")? })
    }

    /// Reports the addresses of `pages`, ascending; Linux 6.7 or later.
    ///
    /// It only changes whether pages are write-protected, in memory that is registered for
    /// asynchronous tracking, where a store does not see the difference.
    pub(crate) fn scan(
        &self,
        addresses: Range<usize>,
        pages: Pages,
        report: impl FnMut(Range<usize>),
    ) -> io::Result<()> {
        // 12 KiB. The kernel collects this many before it copies them out, so more would not be
        // faster.
        let mut regions = [PageRegion::default(); 512];
        let mut joined = Joined { last: 0..0, report };
        let mut rest = addresses;
        while !rest.is_empty() {
            let scan = Scan::new(&rest, pages, &mut regions);
            // SAFETY: the kernel writes to the argument and, by the invariant of `Scan`, to
            // `regions`. Nothing else changes except the protection (see above).
            let (found, walk_end) = unsafe { ioctl(&self.file, scan) }?;
            for region in &regions[..found] {
                joined.add(region.start as usize..region.end as usize);
            }
            if walk_end <= rest.start {
                return Err(io::Error::other("the scan of the page map makes no progress"));
            }
            rest.start = walk_end;
        }
        joined.end();
        Ok(())
    }

    /// Reports the addresses of pages without memory, ascending. It works on every Linux.
    pub(crate) fn read_empty(
        &self,
        addresses: Range<usize>,
        report: impl FnMut(Range<usize>),
    ) -> io::Result<()> {
        /// Bit 63, present, and bit 62, swapped.
        const THERE: u64 = 0b11 << 62;

        let page_size = rustix::param::page_size();
        let mut joined = Joined { last: 0..0, report };
        let mut entries = [0; 32 << 10];
        for start in addresses.clone().step_by(entries.len() / 8 * page_size) {
            let pages = (addresses.end - start).div_ceil(page_size).min(entries.len() / 8);
            let entries = &mut entries[..pages * 8];
            self.file.read_exact_at(entries, (start / page_size * 8) as u64)?;
            for (page, entry) in entries.as_chunks().0.iter().enumerate() {
                if u64::from_ne_bytes(*entry) & THERE == 0 {
                    let start = start + page * page_size;
                    joined.add(start..start + page_size);
                }
            }
        }
        joined.end();
        Ok(())
    }
}

/// Joins ranges that touch.
struct Joined<F: FnMut(Range<usize>)> {
    last: Range<usize>,
    report: F,
}

impl<F: FnMut(Range<usize>)> Joined<F> {
    fn add(&mut self, range: Range<usize>) {
        if range.start == self.last.end {
            self.last.end = range.end;
        } else {
            self.end();
            self.last = range;
        }
    }

    fn end(&mut self) {
        if !self.last.is_empty() {
            (self.report)(self.last.clone());
        }
    }
}
