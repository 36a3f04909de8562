//! KVM's bitmap (api.rst, `KVM_GET_DIRTY_LOG`, `KVM_CLEAR_DIRTY_LOG` and
//! `KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2`).
//!
//! By range, reading the bitmap changes nothing. Each range that has dirty pages is then cleared
//! and protected again, so KVM never holds its lock for the whole slot. Without that capability KVM
//! clears all of the bitmap while it is read.
//!
//! With `KVM_DIRTY_LOG_INITIALLY_SET` turning the log on protects nothing and reports every page.
//! QEMU protects a piece of memory right before it sends it
//! (`migration_clear_memory_region_dirty_bitmap` of `migration/ram.c`). The engine has no such
//! moment, so [`start`](DirtyLog::start) protects all of the slot, range by range.

use std::io;
use std::sync::Arc;

use kvm_bindings::{
    KVM_DIRTY_LOG_INITIALLY_SET, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, kvm_enable_cap,
};
use migration::{DirtyBitmap, DirtyLog, GuestMemory, PAGE_WORDS};

use crate::ioctls::{CAP_MANUAL_DIRTY_LOG_PROTECT2, clear_dirty_log};
use crate::vm::KvmVm;

/// Words of the bitmap that are cleared in one call: the pages of 256 MiB.
const RANGE: usize = 1024;

/// Turns on clearing by range, and returns whether KVM has it. The VM has no vCPUs yet.
pub(crate) fn clear_by_range(vm: &KvmVm) -> bool {
    let flags = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
    let has = vm.fd.check_extension_raw(CAP_MANUAL_DIRTY_LOG_PROTECT2);
    if has.cast_unsigned() & flags != flags {
        return false;
    }
    let mut cap =
        kvm_enable_cap { cap: CAP_MANUAL_DIRTY_LOG_PROTECT2 as u32, ..Default::default() };
    cap.args[0] = flags.into();
    vm.fd.enable_cap(&cap).is_ok()
}

/// The bitmap of one slot.
#[derive(Debug)]
pub(crate) struct BitmapLog {
    vm: Arc<KvmVm>,
    slot: usize,
    by_range: bool,
    pages: usize,
}

impl BitmapLog {
    pub(crate) fn new(vm: Arc<KvmVm>, slot: usize, by_range: bool) -> Self {
        let pages = vm.slot(slot).ram.words().len() / PAGE_WORDS;
        BitmapLog { vm, slot, by_range, pages }
    }

    /// Clears the pages of one range, and protects them again.
    fn clear(&self, range: usize, bits: &[u64]) -> io::Result<()> {
        let first = range * RANGE * 64;
        let pages = (bits.len() * 64).min(self.pages - first) as u32;
        Ok(clear_dirty_log(&self.vm.fd, self.slot as u32, first as u64, pages, bits)?)
    }
}

impl DirtyLog for BitmapLog {
    fn start(&mut self) -> io::Result<()> {
        self.vm.set_logged(self.slot, true)?;
        if self.by_range {
            let all = vec![u64::MAX; self.pages.div_ceil(64)];
            for (range, bits) in all.chunks(RANGE).enumerate() {
                self.clear(range, bits)?;
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        // It fails only if there is no such slot.
        let _ = self.vm.set_logged(self.slot, false);
    }

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        let bytes = self.pages * PAGE_WORDS * size_of::<u64>();
        let bits = self.vm.fd.get_dirty_log(self.slot as u32, bytes)?;
        for (range, bits) in bits.chunks(RANGE).enumerate() {
            if bits.iter().all(|word| *word == 0) {
                continue;
            }
            // A store between the two calls is to a page that is reported anyway, and is made
            // before the engine reads the page.
            if self.by_range {
                self.clear(range, bits)?;
            }
            for (index, word) in bits.iter().enumerate().filter(|(_, word)| **word != 0) {
                dirty.merge(range * RANGE + index, *word);
            }
        }
        Ok(())
    }
}
