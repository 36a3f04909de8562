//! A migration object with an owner: what a Rust program puts behind a counted pointer.

use std::sync::Arc;

use crate::memory::{Address, Memory};

/// A migration object; it ends when it is dropped.
///
/// # Invariants
///
/// The object at `address` is freed by `drop` and by nothing else.
pub struct Object<M: Memory> {
    memory: Arc<M>,
    address: Address,
    /// Shows loom the order that the count of a `std::sync::Arc` makes; see [`Object::release`].
    #[cfg(loom)]
    releases: crate::sync::AtomicUsize,
}

impl<M: Memory> Object<M> {
    /// A new object.
    pub fn new(memory: &Arc<M>, serial: u32) -> Self {
        let address = memory.allocate(serial);
        Object {
            memory: Arc::clone(memory),
            address,
            #[cfg(loom)]
            releases: crate::sync::AtomicUsize::new(0),
        }
    }

    /// Reads it.
    pub fn serial(&self) -> u32 {
        // SAFETY: `self` is not dropped, so the object is not freed.
        unsafe { self.memory.serial(self.address) }
    }

    /// Drops a count held in the standard library's `Arc`, which the end state's `Exported`
    /// uses and loom cannot see: each drop releases, and the destructor acquires.
    pub(crate) fn release(self: Arc<Self>) {
        #[cfg(loom)]
        self.releases.fetch_add(1, std::sync::atomic::Ordering::Release);
        drop(self);
    }
}

impl<M: Memory> Drop for Object<M> {
    fn drop(&mut self) {
        #[cfg(loom)]
        self.releases.load(std::sync::atomic::Ordering::Acquire);
        // SAFETY: nobody has a reference to `self` any more; by the invariant this is the
        // only place that frees.
        unsafe { self.memory.free(self.address) };
    }
}
