//! Version 2: `global_migration` for the outside, `current_migration` for the inside.
//!
//! <20241023180216.1072575-1-peterx@redhat.com>. `global_migration` owns the first count and
//! is set, cleared and read by the main thread only; helpers check it for `NULL`.
//! `current_migration` is set when an object is made and cleared when it ends, so the
//! migration thread may use it for as long as it has a count. The rule about the main thread
//! is a comment, and QEMU has helpers that are called elsewhere.

use std::sync::Arc;

use crate::memory::{Address, GlobalPointer, Memory};
use crate::shape::{Refused, Shape};

/// A pointer for each side.
pub struct TwoPointers<M> {
    memory: Arc<M>,
    current_migration: GlobalPointer<M>,
    global_migration: GlobalPointer<M>,
}

impl<M: Memory> TwoPointers<M> {
    /// `object_new(TYPE_MIGRATION)` with patch 2: the object enters itself.
    fn object_new(&self, serial: u32) -> Result<Address, Refused> {
        // assert(!current_migration), which device introspection ran into.
        if !self.current_migration.get().is_null() {
            return Err(Refused);
        }
        let object = self.memory.allocate(serial);
        self.current_migration.set(object);
        Ok(object)
    }

    /// `object_unref`; the last one runs `migration_instance_finalize`.
    fn object_unref(&self, object: Address) {
        // SAFETY: the caller's count.
        if unsafe { self.memory.unreference(object) } {
            self.current_migration.set(Address::NULL);
            // SAFETY: the last count is gone, and no pointer is left in a global. What is
            // missing: nobody loaded one before.
            unsafe { self.memory.free(object) };
        }
    }
}

impl<M: Memory> Shape<M> for TwoPointers<M> {
    type Thread = ();
    type Owner = ();
    type Worker = ();

    fn new(memory: Arc<M>) -> Self {
        TwoPointers {
            current_migration: GlobalPointer::new("current_migration", &memory),
            global_migration: GlobalPointer::new("global_migration", &memory),
            memory,
        }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<(), Refused> {
        self.global_migration.set(self.object_new(serial)?);
        Ok(())
    }

    fn start(&self, (): &mut ()) -> Option<()> {
        // SAFETY: the main thread has the count of `global_migration`, the same object.
        unsafe { self.memory.reference(self.current_migration.get()) };
        Some(())
    }

    fn look_inside(&self, (): &()) -> Option<u32> {
        // SAFETY: the count from `start`; `current_migration` stays until the last count.
        Some(unsafe { self.memory.serial(self.current_migration.get()) })
    }

    fn finish(&self, (): ()) {
        self.object_unref(self.current_migration.get());
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        let object = self.global_migration.get();
        if object.is_null() {
            return None;
        }
        // SAFETY: `global_migration` owns a count. What is missing: this is the main thread,
        // the only one on which it is not given up between the load and this line.
        Some(unsafe { self.memory.serial(object) })
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        let object = self.object_new(serial)?;
        self.object_unref(object);
        Ok(())
    }

    fn shutdown(&self, (): &mut (), (): ()) {
        let object = self.global_migration.get();
        self.global_migration.set(Address::NULL);
        self.object_unref(object);
    }
}
