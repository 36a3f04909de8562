//! Version 3, patch 8: one pointer, and `migration_mutex` around setting, clearing and the
//! two helpers that an audit found in danger.
//!
//! <20241024213056.1395400-1-peterx@redhat.com>. The mutex is made by a constructor and
//! never destroyed. The pointer is cleared under it when the object ends. With it comes the
//! singleton of <20241024165627.1372621-1-peterx@redhat.com>: whoever asks for a second
//! object gets a count of the one there is. The other helpers are said to be called where
//! somebody has a count, and do not lock.

use std::sync::Arc;

use crate::memory::{Address, GlobalPointer, Memory};
use crate::shape::{Refused, Shape};
use crate::sync::{Mutex, lock};

/// One pointer with a mutex of its own.
pub struct PointerMutex<M> {
    memory: Arc<M>,
    migration_mutex: Mutex<()>,
    current_migration: GlobalPointer<M>,
}

impl<M: Memory> PointerMutex<M> {
    /// `object_unref`; the last one runs `migration_instance_finalize`.
    fn object_unref(&self, object: Address) {
        // SAFETY: the caller's count.
        if unsafe { self.memory.unreference(object) } {
            let held = lock(&self.migration_mutex);
            self.current_migration.set(Address::NULL);
            drop(held);
            // SAFETY: the last count is gone, and who found the pointer with the mutex held
            // is done with it. What is missing: who found it without the mutex.
            unsafe { self.memory.free(object) };
        }
    }
}

impl<M: Memory> Shape<M> for PointerMutex<M> {
    type Thread = ();
    type Owner = Address;
    type Worker = Address;

    fn new(memory: Arc<M>) -> Self {
        let current_migration = GlobalPointer::new("current_migration", &memory);
        PointerMutex { memory, migration_mutex: Mutex::new(()), current_migration }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<Address, Refused> {
        let _held = lock(&self.migration_mutex);
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
        // SAFETY: the count from `start`; the pointer is not cleared before the last count.
        Some(unsafe { self.memory.serial(self.current_migration.get()) })
    }

    fn finish(&self, object: Address) {
        self.object_unref(object);
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        let _held = lock(&self.migration_mutex);
        let object = self.current_migration.get();
        if object.is_null() {
            return None;
        }
        // SAFETY: the pointer is cleared with the mutex held before the object is freed, so
        // it is not freed as long as the mutex is held here.
        Some(unsafe { self.memory.serial(object) })
    }

    fn is_active(&self, (): &mut ()) -> Option<u32> {
        let object = self.current_migration.get();
        if object.is_null() {
            return None;
        }
        // SAFETY: missing. It holds for a caller that has a count, or is called by one.
        Some(unsafe { self.memory.serial(object) })
    }

    fn introspect(&self, _serial: u32) -> Result<(), Refused> {
        // object_new_or_fetch: a count of the singleton, on the main thread, which has one.
        let object = self.current_migration.get();
        // SAFETY: the count from `init`.
        unsafe { self.memory.reference(object) };
        self.object_unref(object);
        Ok(())
    }

    fn shutdown(&self, (): &mut (), object: Address) {
        self.object_unref(object);
    }
}
