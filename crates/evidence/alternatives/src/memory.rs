//! Memory as C sees it: addresses that say nothing of the life of what they point to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::sync::AtomicUsize;

/// What a read of freed memory gives: QEMU's tests fill it so, and the query of January 2026
/// asserted with `mode == 0xcccccccc`.
pub const POISON: u32 = 0xcccc_cccc;

/// A C pointer to a migration object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub usize);

impl Address {
    /// `NULL`.
    pub const NULL: Address = Address(0);

    /// Whether it is `NULL`.
    pub fn is_null(self) -> bool {
        self == Address::NULL
    }
}

/// Where migration objects live: QOM's `object_new`, `object_ref`, `object_unref`.
///
/// An object has a serial number, which stands for everything that a helper reads, a
/// reference count and a mutex.
pub trait Memory: Send + Sync + 'static {
    /// A new object with a count of one.
    fn allocate(&self, serial: u32) -> Address;

    /// Reads the object.
    ///
    /// # Safety
    ///
    /// The object is not freed.
    unsafe fn serial(&self, address: Address) -> u32;

    /// Counts one more reference.
    ///
    /// # Safety
    ///
    /// The object is not freed.
    unsafe fn reference(&self, address: Address);

    /// Counts one reference less; `true` says it was the last, and the caller frees.
    ///
    /// # Safety
    ///
    /// The object is not freed, and the caller owns a count.
    unsafe fn unreference(&self, address: Address) -> bool;

    /// Runs `f` with the object's own mutex locked.
    ///
    /// # Safety
    ///
    /// The object is not freed, before and until the mutex is unlocked again.
    unsafe fn locked<R>(&self, address: Address, f: impl FnOnce() -> R) -> R;

    /// Gives the memory back.
    ///
    /// # Safety
    ///
    /// The object is not freed, and nobody uses it any more.
    unsafe fn free(&self, address: Address);

    /// Something happened, for the record.
    fn note(&self, _step: fmt::Arguments<'_>) {}

    /// The main thread is about to shut migration down. A memory that stages a race holds it
    /// here until the reader has its pointer.
    fn before_shutdown(&self) {}
}

/// A C global, `static MigrationState *name`: anybody loads and stores it at any time.
pub struct GlobalPointer<M> {
    name: &'static str,
    // Relaxed, since a plain C variable orders nothing. So loom tries old values too: a trace
    // may show a load after the store it did not see, which is a load that was made earlier.
    word: AtomicUsize,
    memory: Arc<M>,
}

impl<M: Memory> GlobalPointer<M> {
    /// The global at program start, `NULL`.
    pub fn new(name: &'static str, memory: &Arc<M>) -> Self {
        GlobalPointer { name, word: AtomicUsize::new(0), memory: Arc::clone(memory) }
    }

    /// Loads it.
    pub fn get(&self) -> Address {
        let address = Address(self.word.load(Relaxed));
        self.memory.note(format_args!("loads {} {}", self.name, shown(address)));
        address
    }

    /// Stores it.
    pub fn set(&self, address: Address) {
        self.word.store(address.0, Relaxed);
        self.memory.note(format_args!("stores {} {}", self.name, shown(address)));
    }
}

fn shown(address: Address) -> &'static str {
    if address.is_null() { "(NULL)" } else { "(an object)" }
}
