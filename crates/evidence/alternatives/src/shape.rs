//! What every shape can do.

use std::sync::Arc;

use crate::memory::Memory;

/// One way to keep the migration object where the whole program finds it.
///
/// A helper answers with the serial number of the object it found, `None` if it found none.
/// Inside migration a shape looks for the object as the 118 calls of `migrate_get_current()`
/// do, except where the shape's point is that it does not.
pub trait Shape<M: Memory>: Send + Sync + Sized + 'static {
    /// What a thread has in hand when it calls a helper.
    type Thread;
    /// What `init` leaves with the main thread for `shutdown`.
    type Owner;
    /// What the migration thread is started with.
    type Worker: Send + 'static;

    /// The globals at program start.
    fn new(memory: Arc<M>) -> Self;

    /// A thread begins.
    fn attach() -> Self::Thread;

    /// `migration_object_init`, on the main thread.
    ///
    /// # Errors
    ///
    /// There is an object already; QEMU asserts.
    fn init(&self, thread: &mut Self::Thread, serial: u32) -> Result<Self::Owner, Refused>;

    /// The main thread prepares the migration thread; `None` if there is no object.
    fn start(&self, thread: &mut Self::Thread) -> Option<Self::Worker>;

    /// Migration code on the migration thread looks for the object.
    fn look_inside(&self, worker: &Self::Worker) -> Option<u32>;

    /// The migration thread ends.
    fn finish(&self, worker: Self::Worker);

    /// A helper of `misc.h`, one of the two that the audit of version 3 found in danger.
    fn is_running(&self, thread: &mut Self::Thread) -> Option<u32>;

    /// Any other helper of `misc.h`.
    fn is_active(&self, thread: &mut Self::Thread) -> Option<u32> {
        self.is_running(thread)
    }

    /// Device introspection makes a migration object and drops it.
    ///
    /// # Errors
    ///
    /// There is an object already; QEMU asserts.
    fn introspect(&self, serial: u32) -> Result<(), Refused>;

    /// `migration_shutdown`, on the main thread. It does not wait for the migration thread.
    fn shutdown(&self, thread: &mut Self::Thread, owner: Self::Owner);

    /// Time passes: what was put off is done.
    fn settle(&self) {}
}

/// There is a migration object already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;
