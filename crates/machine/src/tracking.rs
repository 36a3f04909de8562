//! Which dirty log a machine has.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use migration::{DirtyLog, GuestMemory, PAGE_WORDS};

use crate::dirty::SoftwareDirtyLog;
use crate::ram::Ram;
use crate::write_protect::WriteProtectLog;

/// How the writes of a machine are found. Clones are the same log.
///
/// It is chosen before the machine runs, for the vCPU has to know: with the software log it
/// marks each page that it writes to, with the kernel's it does nothing but store.
#[derive(Debug, Clone)]
pub enum DirtyTracking {
    /// The kernel finds them.
    WriteProtect(Arc<WriteProtectLog>),
    /// Who writes marks the page.
    Software(Arc<SoftwareDirtyLog>),
}

impl DirtyTracking {
    /// The kernel's log where there is one, and else the software log and the reason.
    pub fn choose(ram: &Arc<Ram>) -> (Self, Option<io::Error>) {
        match Self::write_protect(ram) {
            Ok(tracking) => (tracking, None),
            Err(error) => (Self::software(ram), Some(error)),
        }
    }

    /// The kernel's log.
    ///
    /// # Errors
    ///
    /// Those of [`WriteProtectLog::new`].
    pub fn write_protect(ram: &Arc<Ram>) -> io::Result<Self> {
        Ok(DirtyTracking::WriteProtect(Arc::new(WriteProtectLog::new(Arc::clone(ram))?)))
    }

    /// The software log, which works everywhere.
    pub fn software(ram: &Ram) -> Self {
        let pages = ram.words().len().div_ceil(PAGE_WORDS);
        DirtyTracking::Software(Arc::new(SoftwareDirtyLog::new(pages)))
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            DirtyTracking::WriteProtect(_) => "write-protect",
            DirtyTracking::Software(_) => "software",
        }
    }

    /// The log for the engine to read.
    pub fn log(&self) -> Arc<dyn DirtyLog> {
        match self {
            DirtyTracking::WriteProtect(log) => Arc::clone(log) as _,
            DirtyTracking::Software(log) => Arc::clone(log) as _,
        }
    }

    /// Takes the pages that were written, as [`DirtyLog::sync`] does, for who has no bitmap of
    /// the engine's: reports ranges of pages, ascending.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub fn take_written(&self, report: &mut dyn FnMut(Range<usize>)) -> io::Result<()> {
        match self {
            DirtyTracking::WriteProtect(log) => log.take(report),
            DirtyTracking::Software(log) => {
                log.take(report);
                Ok(())
            }
        }
    }

    /// The log in which who stores has to mark the page, if it is such a one.
    pub fn to_mark(&self) -> Option<&SoftwareDirtyLog> {
        match self {
            DirtyTracking::WriteProtect(_) => None,
            DirtyTracking::Software(log) => Some(log),
        }
    }
}
