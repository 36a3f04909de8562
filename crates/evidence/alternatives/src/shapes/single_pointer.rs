//! QEMU today: one pointer, for inside and outside, that nobody clears.
//!
//! `migration/migration.c`: `current_migration` is set by `migration_object_init()`, and
//! `migration_shutdown()` drops the count that came with it. The migration thread has had a
//! count of its own since 7fc8beb16e, and drops it at its end.

use std::sync::Arc;

use crate::memory::{GlobalPointer, Memory};
use crate::shape::{Refused, Shape};

/// One pointer, no rule.
pub struct SinglePointer<M> {
    memory: Arc<M>,
    current_migration: GlobalPointer<M>,
}

impl<M: Memory> Shape<M> for SinglePointer<M> {
    type Thread = ();
    type Owner = ();
    type Worker = ();

    fn new(memory: Arc<M>) -> Self {
        let current_migration = GlobalPointer::new("current_migration", &memory);
        SinglePointer { memory, current_migration }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<(), Refused> {
        // assert(!current_migration)
        if !self.current_migration.get().is_null() {
            return Err(Refused);
        }
        self.current_migration.set(self.memory.allocate(serial));
        Ok(())
    }

    fn start(&self, (): &mut ()) -> Option<()> {
        // SAFETY: the main thread has the count from `init` and has not dropped it.
        unsafe { self.memory.reference(self.current_migration.get()) };
        Some(())
    }

    fn look_inside(&self, (): &()) -> Option<u32> {
        // SAFETY: the count from `start`. What the call does not show is that the global
        // still points to the object that was counted.
        Some(unsafe { self.memory.serial(self.current_migration.get()) })
    }

    fn finish(&self, (): ()) {
        let object = self.current_migration.get();
        // SAFETY: the count from `start`, as above.
        if unsafe { self.memory.unreference(object) } {
            // SAFETY: the last count is gone. What is missing: nobody has the pointer, for
            // the global keeps it.
            unsafe { self.memory.free(object) };
        }
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        // SAFETY: missing. The pointer may be NULL, and nothing says that the object lives.
        Some(unsafe { self.memory.serial(self.current_migration.get()) })
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        super::make_and_drop(&*self.memory, serial);
        Ok(())
    }

    fn shutdown(&self, (): &mut (), (): ()) {
        // The same as at the end of the migration thread; the pointer stays.
        self.finish(());
    }
}
