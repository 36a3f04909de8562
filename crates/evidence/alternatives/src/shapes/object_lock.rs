//! "Why not lock the migration object instead?": the mutex is inside the object.
//!
//! Asked in the review of version 2. A helper finds the pointer, locks the object, reads.
//! Shutdown locks the object, clears the pointer and drops its count. The lock protects what
//! is in the object from its other users; it cannot protect itself, for to lock it one must
//! have followed the pointer already.

use std::sync::Arc;

use crate::memory::{Address, GlobalPointer, Memory};
use crate::shape::{Refused, Shape};

/// One pointer to an object with a mutex.
pub struct ObjectLock<M> {
    memory: Arc<M>,
    current_migration: GlobalPointer<M>,
}

impl<M: Memory> ObjectLock<M> {
    fn read(&self) -> Option<u32> {
        let object = self.current_migration.get();
        if object.is_null() {
            return None;
        }
        let read = || {
            // SAFETY: the object is locked. What is missing is what `locked` needs: that it
            // was alive when the lock was taken.
            unsafe { self.memory.serial(object) }
        };
        // SAFETY: missing. Nothing keeps the object alive between the load and the lock.
        Some(unsafe { self.memory.locked(object, read) })
    }

    fn object_unref(&self, object: Address) {
        // SAFETY: the caller's count.
        if unsafe { self.memory.unreference(object) } {
            // SAFETY: the last count is gone, and the pointer is cleared. What is missing:
            // nobody loaded it before and is about to lock.
            unsafe { self.memory.free(object) };
        }
    }
}

impl<M: Memory> Shape<M> for ObjectLock<M> {
    type Thread = ();
    type Owner = Address;
    type Worker = Address;

    fn new(memory: Arc<M>) -> Self {
        let current_migration = GlobalPointer::new("current_migration", &memory);
        ObjectLock { memory, current_migration }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<Address, Refused> {
        if !self.current_migration.get().is_null() {
            return Err(Refused);
        }
        let object = self.memory.allocate(serial);
        self.current_migration.set(object);
        Ok(object)
    }

    fn start(&self, (): &mut ()) -> Option<Address> {
        let object = self.current_migration.get();
        // SAFETY: the main thread has the count from `init` and has not dropped it.
        unsafe { self.memory.reference(object) };
        Some(object)
    }

    fn look_inside(&self, _object: &Address) -> Option<u32> {
        self.read()
    }

    fn finish(&self, object: Address) {
        self.object_unref(object);
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        self.read()
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        super::make_and_drop(&*self.memory, serial);
        Ok(())
    }

    fn shutdown(&self, (): &mut (), object: Address) {
        // SAFETY: the main thread has the count from `init` and drops it below.
        unsafe { self.memory.locked(object, || self.current_migration.set(Address::NULL)) };
        self.object_unref(object);
    }
}
