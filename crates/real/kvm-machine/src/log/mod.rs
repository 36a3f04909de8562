//! The dirty logs of a guest, behind the engine's [`DirtyLog`].
//!
//! | log | who finds the guest's stores | who finds the host's |
//! | --- | --- | --- |
//! | [`bitmap`] | KVM, one bit for each page of a slot | the marks of [`Marker`] |
//! | [`ring`] | KVM, a ring of pages for each vCPU | the marks of [`Marker`] |
//! | userfaultfd, of the crate `machine` | the kernel's page tables | the same |
//!
//! The devices of the host store to guest memory through their own mapping, which KVM does not
//! see. So a log of KVM alone loses these pages; [`Composed`] adds the marks of the devices.
//!
//! There is no log in software for what the guest stores: guest code would have to mark its own
//! pages, and KVM itself stores to guest memory too, its clock for example.

pub(crate) mod bitmap;
pub(crate) mod ring;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use machine::{DirtyTracking, Marker};
use migration::{DirtyBitmap, DirtyLog};

use crate::error::KvmError;
use crate::vm::KvmVm;
use bitmap::BitmapLog;
use ring::{RingLog, Rings};

/// A kind of dirty log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// KVM's bitmap (`KVM_GET_DIRTY_LOG`).
    Bitmap,
    /// KVM's ring of each vCPU (`KVM_CAP_DIRTY_LOG_RING`).
    Ring,
    /// The kernel's write protection (`userfaultfd`), which needs nothing of KVM.
    WriteProtect,
}

impl LogKind {
    /// The kinds, in the order in which they are tried.
    pub const ALL: [LogKind; 3] = [LogKind::Bitmap, LogKind::Ring, LogKind::WriteProtect];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            LogKind::Bitmap => "kvm-bitmap",
            LogKind::Ring => "kvm-ring",
            LogKind::WriteProtect => "write-protect",
        }
    }
}

/// Whether the log has what the host's devices store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HostStores {
    Marked,
    /// KVM's log alone, to show what it loses.
    #[cfg(test)]
    Lost,
}

/// The log of a machine, before its blocks have it.
#[derive(Debug)]
pub(crate) enum Log {
    Bitmap { by_range: bool },
    Ring(Arc<Rings>),
    WriteProtect,
}

impl Log {
    /// Returns the log of one slot, and the marker through which devices store to it.
    pub(crate) fn of_slot(
        &self,
        vm: &Arc<KvmVm>,
        slot: usize,
        stores: HostStores,
    ) -> Result<(Box<dyn DirtyLog>, Marker), KvmError> {
        let ram = &vm.slot(slot).ram;
        let composed = |guest: Box<dyn DirtyLog>| {
            let host = DirtyTracking::software(ram);
            let marker = host.marker();
            match stores {
                HostStores::Marked => {
                    (Box::new(Composed { guest, host }) as Box<dyn DirtyLog>, marker)
                }
                #[cfg(test)]
                HostStores::Lost => (guest, marker),
            }
        };
        Ok(match self {
            Log::Bitmap { by_range } => {
                composed(Box::new(BitmapLog::new(Arc::clone(vm), slot, *by_range)))
            }
            Log::Ring(rings) => {
                composed(Box::new(RingLog::new(Arc::clone(vm), slot, Arc::clone(rings))))
            }
            Log::WriteProtect => {
                let log = DirtyTracking::write_protect(ram).map_err(|source| {
                    KvmError::DirtyLog { name: LogKind::WriteProtect.name(), source }
                })?;
                let marker = log.marker();
                (Box::new(log), marker)
            }
        })
    }
}

/// A log of what the guest stores and what the host's devices store.
struct Composed {
    guest: Box<dyn DirtyLog>,
    host: DirtyTracking,
}

impl DirtyLog for Composed {
    fn start(&mut self) -> io::Result<()> {
        self.host.start()?;
        self.guest.start()
    }

    fn stop(&mut self) {
        self.guest.stop();
        self.host.stop();
    }

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        self.guest.sync(dirty)?;
        self.host.sync(dirty)
    }
}
