//! A dirty log that the kernel keeps: pages are write-protected, and a store to one takes the
//! protection away. QEMU's counterpart is KVM's dirty log (`kvm_log_sync`); this one needs no
//! KVM, and sees every store through the mapping, the kernel's on behalf of this process too.
//!
//! It does not see what goes past the mapping, by whomever: a `write` to the file behind it, a
//! store through another mapping of that file, a hole that is punched in it, a file that is cut.
//! While a log runs nobody may do that.
//!
//! A store is a plain store, and costs a fault of 0.8 µs the first time after each
//! [`sync`](DirtyLog::sync). A pass over 8 GiB takes 4 ms, and 6 ms if 1 percent of the pages,
//! spread evenly, was written. For each page table with a written page in it the kernel
//! interrupts the processors that run in this memory at that moment; where that costs 9 µs, as
//! on a virtual machine, it is 36 ms more beside a vCPU that never waits, and nothing once it is
//! stopped. The example `dirty_log` measures all this.
//!
//! # Pages without memory
//!
//! *Anonymous memory* without a page reads as zero, and it stays so until somebody stores, for
//! nobody here discards pages. So there is nothing to protect: a page that comes to be there
//! comes without protection, and is found written. To protect the place of a page that is not
//! there would cost page tables for memory that was never touched, and hide from
//! [`GuestMemory::each_untouched`](migration::GuestMemory::each_untouched) that it was not: the
//! marker in its place cannot be told from a page that was swapped out.
//! The price is that a page is found written once when it was only read.
//!
//! *Private mappings of a file* are the same: a place without a page is as the file is, and a page
//! that was stored to is this process's own and stays.
//!
//! *Shared mappings of a file* lose pages from the page tables at any time, written ones too; their
//! state is in the file. So every place is protected at the start, by a marker where there is no
//! page, and a place without either was written.
//!
//! # Huge pages
//!
//! The kernel protects a huge page of anonymous memory as a whole, and splits it at the first
//! store after that. So a pass still finds pages of 4096 bytes, and there is no reason to
//! forbid them. Those of files it splits when they are protected.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use migration::{DirtyBitmap, DirtyLog};
use wire::TARGET_PAGE_SIZE;

use crate::pagemap::{Pagemap, Pages};
use crate::ram::Ram;
use crate::userfault::Userfault;

/// The kernel's write-protect tracking of the memory of one machine; Linux 6.7 or later.
///
/// What goes past the mapping is not tracked, such as stores of other processes that share memory.
#[derive(Debug)]
pub(crate) struct WriteProtectLog {
    // Before `ram`, so that tracking ends before the memory does.
    userfault: Userfault,
    pagemap: Pagemap,
    ram: Arc<Ram>,
}

impl WriteProtectLog {
    /// A log for `ram`, after a trial.
    ///
    /// # Errors
    ///
    /// If the kernel cannot track this memory, or lets this process not do it, or another
    /// log tracks it already.
    pub(crate) fn new(ram: Arc<Ram>) -> io::Result<Self> {
        let log = WriteProtectLog { userfault: Userfault::open()?, pagemap: Pagemap::open()?, ram };
        // The one way to know whether the kernel tracks this kind of memory.
        let addresses = log.ram.addresses();
        log.userfault.register(&addresses)?;
        let first = addresses.start..addresses.start + rustix::param::page_size();
        let tried = log.pagemap.scan(first, Pages::TRACKED, |_| ());
        log.userfault.unregister(&addresses)?;
        tried.and(Ok(log))
    }

    /// Reports the pages written since `start` or the last call, as [`DirtyLog::sync`] does.
    ///
    /// For each page one step of the kernel tells whether it was written and protects it
    /// again, and no store goes past the new protection once this has returned. So a store
    /// that this call does not tell of came after, and the next call will; and one that it
    /// tells of is seen by who reads the page after.
    pub(crate) fn take(&mut self, mut report: impl FnMut(Range<usize>)) -> io::Result<()> {
        let addresses = self.ram.addresses();
        let base = addresses.start;
        let page = |address: usize| (address - base) / TARGET_PAGE_SIZE;
        self.pagemap.scan(addresses, self.written(), |written| {
            report(page(written.start)..page(written.end));
        })
    }

    /// What tells a page that was written from one that was not.
    fn written(&self) -> Pages {
        if self.ram.is_shared() { Pages::WRITTEN } else { Pages::WRITTEN_AND_THERE }
    }
}

impl DirtyLog for WriteProtectLog {
    fn start(&mut self) -> io::Result<()> {
        let addresses = self.ram.addresses();
        self.userfault.register(&addresses)?;
        if self.ram.is_shared() { self.userfault.protect(&addresses) } else { self.take(|_| ()) }
    }

    fn stop(&mut self) {
        // It fails where nothing is registered, and then there is nothing to end.
        let _ = self.userfault.unregister(&self.ram.addresses());
    }

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        self.take(|pages| dirty.merge_range(pages))
    }
}
