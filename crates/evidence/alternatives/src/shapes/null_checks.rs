//! Version 1 of the series: every helper checks for `NULL`, and a comment asks for the BQL.
//!
//! <20241022160720.1013543-1-peterx@redhat.com>. The check helps before init. The pointer
//! is still not cleared, so after shutdown it passes the check and dangles; and the BQL
//! keeps out `migration_shutdown()` but not the migration thread, which may drop the last
//! count.

use std::sync::Arc;

use crate::memory::{GlobalPointer, Memory};
use crate::shape::{Refused, Shape};
use crate::sync::{Mutex, lock};

/// One pointer, checked for `NULL` with the BQL held.
pub struct NullChecks<M> {
    memory: Arc<M>,
    bql: Mutex<()>,
    current_migration: GlobalPointer<M>,
}

impl<M: Memory> NullChecks<M> {
    fn unreference(&self) {
        let object = self.current_migration.get();
        // SAFETY: the caller's count.
        if unsafe { self.memory.unreference(object) } {
            // SAFETY: the last count is gone. What is missing: nobody has the pointer, for
            // the global keeps it.
            unsafe { self.memory.free(object) };
        }
    }
}

impl<M: Memory> Shape<M> for NullChecks<M> {
    type Thread = ();
    type Owner = ();
    type Worker = ();

    fn new(memory: Arc<M>) -> Self {
        let current_migration = GlobalPointer::new("current_migration", &memory);
        NullChecks { memory, bql: Mutex::new(()), current_migration }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<(), Refused> {
        let _bql = lock(&self.bql);
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
        self.unreference();
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        let _bql = lock(&self.bql);
        let object = self.current_migration.get();
        if object.is_null() {
            return None;
        }
        // SAFETY: it is not NULL. What is missing: that the object lives. The BQL is held,
        // but the migration thread drops its count without it.
        Some(unsafe { self.memory.serial(object) })
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        super::make_and_drop(&*self.memory, serial);
        Ok(())
    }

    fn shutdown(&self, (): &mut (), (): ()) {
        let _bql = lock(&self.bql);
        self.unreference();
    }
}
