//! The choice of a machine's dirty log.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use migration::{DirtyBitmap, DirtyLog, GuestMemory, PAGE_WORDS};

use crate::dirty::{Marker, SoftwareDirtyLog};
use crate::ram::Ram;
use crate::write_protect::WriteProtectLog;

/// The tracking of a machine's writes. It is the only reader of its log, and reports each written
/// page once. So it cannot be copied, and the machine of that memory owns it.
///
/// It is chosen before the machine runs, because it determines what the vCPU does: with the
/// software log the vCPU marks each page that it writes to; with the kernel's it only stores.
#[derive(Debug)]
pub struct DirtyTracking {
    log: Log,
    ram: Arc<Ram>,
}

#[derive(Debug)]
enum Log {
    /// The kernel tracks the writes.
    WriteProtect(WriteProtectLog),
    /// Each writer marks the page.
    Software(SoftwareDirtyLog),
}

impl DirtyTracking {
    /// Chooses the kernel's log if it works; otherwise the software log, and returns the reason.
    pub fn choose(ram: &Arc<Ram>) -> (Self, Option<io::Error>) {
        match Self::write_protect(ram) {
            Ok(tracking) => (tracking, None),
            Err(error) => (Self::software(ram), Some(error)),
        }
    }

    /// Makes the kernel's log, after it has tested that it works.
    ///
    /// # Errors
    ///
    /// If the kernel cannot track this memory (Linux 6.7 or later can), does not permit it to this
    /// process, or tracks the memory for another log already.
    pub fn write_protect(ram: &Arc<Ram>) -> io::Result<Self> {
        let log = Log::WriteProtect(WriteProtectLog::new(Arc::clone(ram))?);
        Ok(DirtyTracking { log, ram: Arc::clone(ram) })
    }

    /// Makes the software log, which works everywhere.
    pub fn software(ram: &Arc<Ram>) -> Self {
        let pages = ram.words().len().div_ceil(PAGE_WORDS);
        let log = Log::Software(SoftwareDirtyLog::new(pages));
        DirtyTracking { log, ram: Arc::clone(ram) }
    }

    /// Returns whether it tracks the writes to `ram`.
    pub(crate) fn is_of(&self, ram: &Arc<Ram>) -> bool {
        Arc::ptr_eq(&self.ram, ram)
    }

    /// Returns its name.
    pub fn name(&self) -> &'static str {
        match self.log {
            Log::WriteProtect(_) => "write-protect",
            Log::Software(_) => "software",
        }
    }

    /// Returns the marker through which writers store.
    pub fn marker(&self) -> Marker {
        match &self.log {
            Log::WriteProtect(_) => Marker::idle(),
            Log::Software(log) => log.marker(),
        }
    }

    /// Takes the written pages like [`DirtyLog::sync`], but without a bitmap of the engine: reports
    /// ranges of pages, ascending.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub fn take_written(&mut self, report: &mut dyn FnMut(Range<usize>)) -> io::Result<()> {
        match &mut self.log {
            Log::WriteProtect(log) => log.take(report),
            Log::Software(log) => {
                log.take(report);
                Ok(())
            }
        }
    }

    fn log(&mut self) -> &mut dyn DirtyLog {
        match &mut self.log {
            Log::WriteProtect(log) => log,
            Log::Software(log) => log,
        }
    }
}

impl DirtyLog for DirtyTracking {
    fn start(&mut self) -> io::Result<()> {
        self.log().start()
    }

    fn stop(&mut self) {
        self.log().stop();
    }

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        self.log().sync(dirty)
    }
}
