//! Which dirty log a machine has.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use migration::{DirtyBitmap, DirtyLog, GuestMemory, PAGE_WORDS};

use crate::dirty::{Marker, SoftwareDirtyLog};
use crate::ram::Ram;
use crate::write_protect::WriteProtectLog;

/// How the writes of a machine are found. It is the one reader of its log: a page that is taken is
/// not found again. So it cannot be copied, and the machine of that memory takes it.
///
/// It is chosen before the machine runs, for the vCPU has to know: with the software log it
/// marks each page that it writes to, with the kernel's it does nothing but store.
#[derive(Debug)]
pub struct DirtyTracking {
    log: Log,
    ram: Arc<Ram>,
}

#[derive(Debug)]
enum Log {
    /// The kernel finds them.
    WriteProtect(WriteProtectLog),
    /// Who writes marks the page.
    Software(SoftwareDirtyLog),
}

impl DirtyTracking {
    /// Chooses the kernel's log where there is one, and else the software log, with the reason.
    pub fn choose(ram: &Arc<Ram>) -> (Self, Option<io::Error>) {
        match Self::write_protect(ram) {
            Ok(tracking) => (tracking, None),
            Err(error) => (Self::software(ram), Some(error)),
        }
    }

    /// Makes the kernel's log, after a trial.
    ///
    /// # Errors
    ///
    /// If the kernel cannot track this memory (Linux 6.7 or later can), or lets this process not do
    /// it, or another log tracks it already.
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

    /// Whether it finds the writes to `ram`.
    pub(crate) fn is_of(&self, ram: &Arc<Ram>) -> bool {
        Arc::ptr_eq(&self.ram, ram)
    }

    /// Returns what it is called.
    pub fn name(&self) -> &'static str {
        match self.log {
            Log::WriteProtect(_) => "write-protect",
            Log::Software(_) => "software",
        }
    }

    /// Returns what writers store by.
    pub fn marker(&self) -> Marker {
        match &self.log {
            Log::WriteProtect(_) => Marker::idle(),
            Log::Software(log) => log.marker(),
        }
    }

    /// Takes the pages that were written, as [`DirtyLog::sync`] does, where there is no bitmap of
    /// the engine's: reports ranges of pages, ascending.
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
