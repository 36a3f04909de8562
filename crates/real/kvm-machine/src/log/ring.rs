//! KVM's dirty rings (api.rst, `KVM_CAP_DIRTY_LOG_RING`). Each vCPU has a ring, into which KVM puts
//! the slot and the number of each page that this vCPU dirties.
//!
//! A ring belongs to a vCPU and has pages of every slot, while the engine's log belongs to a block.
//! So [`Rings`] has all rings of a VM, and a set of pages for each slot. Whichever log is read
//! collects every ring and takes the pages of its own slot; those of other slots wait in their
//! sets.
//!
//! When a ring is full, the vCPU leaves the guest until its ring has been collected and reset:
//! that is how a guest that writes too fast is slowed down. Its thread collects then, but never
//! waits for a lock: if another thread is collecting, that one empties the ring.
//!
//! Each reset protects pages again, and interrupts the vCPUs for it. A loop that collects without a
//! pause would leave the guest no time, so only the engine's passes collect, and full rings.
//!
//! QEMU's counterpart is `kvm_dirty_ring_reap` of `accel/kvm/kvm-all.c`, which takes the BQL.

use std::io;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use kvm_bindings::{
    KVM_CAP_DIRTY_LOG_RING, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, KVM_DIRTY_LOG_PAGE_OFFSET,
    kvm_dirty_gfn, kvm_enable_cap,
};
use kvm_ioctls::VcpuFd;
use memmap2::{MmapOptions, MmapRaw};
use migration::{DirtyBitmap, DirtyLog, GuestMemory, PAGE_WORDS};

use crate::error::KvmError;
use crate::ioctls::reset_dirty_rings;
use crate::layout::PAGE;
use crate::log::LogKind;
use crate::vm::{KvmVm, PROGRAM_SLOT, RAM_SLOT};

/// `KVM_DIRTY_GFN_F_DIRTY`: KVM has put a page here.
const DIRTY: u32 = 1 << 0;
/// `KVM_DIRTY_GFN_F_RESET`: the page was collected.
const RESET: u32 = 1 << 1;

/// Entries of a ring, unless KVM has room for fewer: 1 MiB, QEMU's maximum.
pub(crate) const ENTRIES: u32 = 1 << 16;

/// The rings of a VM.
#[derive(Debug)]
pub(crate) struct Rings {
    rings: Mutex<Vec<Ring>>,
    /// Pages that were collected for each slot, and not taken yet.
    collected: [Vec<AtomicU64>; 2],
    entries: u32,
    /// Number of times that a vCPU found its ring full.
    full: AtomicU64,
}

/// The ring of a vCPU.
///
/// # Invariants
///
/// `map` maps `entries` entries, which this process uses through atomics alone.
#[derive(Debug)]
struct Ring {
    map: MmapRaw,
    entries: u32,
    /// Number of the next entry, counted from the start of the VM.
    next: u32,
}

impl Rings {
    /// Turns rings of at most `entries` entries, a power of two, on for a VM that has no vCPUs yet.
    ///
    /// # Errors
    ///
    /// If KVM has no rings.
    pub(crate) fn enable(vm: &KvmVm, entries: u32) -> Result<Self, KvmError> {
        let error = |source| KvmError::DirtyLog { name: LogKind::Ring.name(), source };
        // On x86 both promise the same order of memory accesses.
        let [newer, older] = [KVM_CAP_DIRTY_LOG_RING_ACQ_REL, KVM_CAP_DIRTY_LOG_RING]
            .map(|cap| (cap, vm.fd.check_extension_raw(cap.into())));
        let (cap, most) = if newer.1 > 0 { newer } else { older };
        if most <= 0 {
            return Err(error(io::Error::other("KVM has no KVM_CAP_DIRTY_LOG_RING")));
        }
        let bytes = (entries * size_of::<kvm_dirty_gfn>() as u32).min(most.cast_unsigned());
        let mut enable = kvm_enable_cap { cap, ..Default::default() };
        enable.args[0] = bytes.into();
        vm.fd.enable_cap(&enable).map_err(|refused| error(refused.into()))?;
        let set = |slot| {
            let pages = vm.slot(slot).ram.words().len() / PAGE_WORDS;
            (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect()
        };
        Ok(Rings {
            rings: Mutex::default(),
            collected: [PROGRAM_SLOT, RAM_SLOT].map(set),
            entries: bytes / size_of::<kvm_dirty_gfn>() as u32,
            full: AtomicU64::new(0),
        })
    }

    /// Adds the ring of a new vCPU.
    pub(crate) fn add(&self, vcpu: &VcpuFd) -> Result<(), KvmError> {
        let map = MmapOptions::new()
            .offset(u64::from(KVM_DIRTY_LOG_PAGE_OFFSET) * PAGE)
            .len(self.entries as usize * size_of::<kvm_dirty_gfn>())
            .map_raw(vcpu)
            .map_err(KvmError::set_up("the dirty ring of a vCPU"))?;
        self.lock().push(Ring { map, entries: self.entries, next: 0 });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Ring>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room in a full ring: collects every ring, unless another thread does so now.
    pub(crate) fn make_room(&self, vm: &KvmVm) -> io::Result<()> {
        self.full.fetch_add(1, Ordering::Relaxed);
        match self.rings.try_lock() {
            Ok(mut rings) => self.collect(vm, &mut rings),
            Err(TryLockError::Poisoned(rings)) => self.collect(vm, &mut rings.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::thread::yield_now();
                Ok(())
            }
        }
    }

    /// Returns the number of times that a vCPU found its ring full.
    pub(crate) fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Collects every ring, and protects the collected pages again.
    ///
    /// A store to such a page before it is protected is made before this returns, so a reader of
    /// the page finds it. A later one is in the ring again.
    fn collect(&self, vm: &KvmVm, rings: &mut [Ring]) -> io::Result<()> {
        let mut any = false;
        for ring in rings {
            while let Some((slot, page)) = ring.take() {
                any = true;
                let word = self.collected.get(slot).and_then(|set| set.get(page / 64));
                if let Some(word) = word {
                    word.fetch_or(1 << (page % 64), Ordering::Relaxed);
                }
            }
        }
        if any {
            reset_dirty_rings(&vm.fd)?;
        }
        Ok(())
    }
}

impl Ring {
    /// Takes the next entry: a slot, and a page of it.
    fn take(&mut self) -> Option<(usize, usize)> {
        let entry = (self.next % self.entries) as usize * size_of::<kvm_dirty_gfn>();
        let field = |offset: usize| self.map.as_mut_ptr().wrapping_add(entry + offset);
        let flags = field(offset_of!(kvm_dirty_gfn, flags)).cast();
        // SAFETY: by the invariant the entry is mapped as long as `self`, and is aligned, since
        // entries have 16 bytes. The kernel stores to it as any thread may.
        let flags = unsafe { AtomicU32::from_ptr(flags) };
        if flags.load(Ordering::Acquire) & (DIRTY | RESET) != DIRTY {
            return None;
        }
        let slot = field(offset_of!(kvm_dirty_gfn, slot)).cast();
        // SAFETY: as above.
        let slot = unsafe { AtomicU32::from_ptr(slot) }.load(Ordering::Relaxed);
        let page = field(offset_of!(kvm_dirty_gfn, offset)).cast();
        // SAFETY: as above.
        let page = unsafe { AtomicU64::from_ptr(page) }.load(Ordering::Relaxed);
        // The entry is KVM's again from here on.
        flags.store(RESET, Ordering::Release);
        self.next = self.next.wrapping_add(1);
        Some((slot as usize, usize::try_from(page).unwrap_or(usize::MAX)))
    }
}

/// The log of one slot.
#[derive(Debug)]
pub(crate) struct RingLog {
    vm: Arc<KvmVm>,
    slot: usize,
    rings: Arc<Rings>,
}

impl RingLog {
    pub(crate) fn new(vm: Arc<KvmVm>, slot: usize, rings: Arc<Rings>) -> Self {
        RingLog { vm, slot, rings }
    }

    /// Collects every ring and takes the pages of this slot.
    ///
    /// It holds the lock all the time. Otherwise it might take a page that the thread of a full
    /// ring has collected and not yet protected again.
    fn take(&self, mut report: impl FnMut(usize, u64)) -> io::Result<()> {
        let mut rings = self.rings.lock();
        self.rings.collect(&self.vm, &mut rings)?;
        for (index, word) in self.rings.collected[self.slot].iter().enumerate() {
            if word.load(Ordering::Relaxed) != 0 {
                report(index, word.swap(0, Ordering::Relaxed));
            }
        }
        Ok(())
    }
}

impl DirtyLog for RingLog {
    fn start(&mut self) -> io::Result<()> {
        self.take(|_, _| ())?;
        Ok(self.vm.set_logged(self.slot, true)?)
    }

    fn stop(&mut self) {
        // It fails only if there is no such slot.
        let _ = self.vm.set_logged(self.slot, false);
        // What is left in the rings would be in the way of the next migration.
        let _ = self.take(|_, _| ());
    }

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        self.take(|index, bits| dirty.merge(index, bits))
    }
}
