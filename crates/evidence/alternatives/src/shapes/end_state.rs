//! The end state: one pointer, for the outside, under the big lock; inside an argument.
//!
//! What `migration` does with `biglock` and `exported`. A reader shows that it holds the
//! lock; a thread that does not hold it locks first. Shutdown takes the lock exclusively and
//! gets the owner's count back. The migration thread was started with a count and looks at
//! that; it has no global to look at.

use std::sync::Arc;

#[cfg(not(loom))]
use biglock::StdMutex as Backend;
use biglock::{Lock, Unlocked};
use exported::{Exported, Publication};

use crate::memory::Memory;
#[cfg(loom)]
use crate::model::LoomMutex as Backend;
use crate::object::Object;
use crate::shape::{Refused, Shape};

static BQL: Backend = Backend::new();

/// The big lock.
pub enum Bql {}

impl Lock for Bql {
    type Backend = Backend;
    const LOCK: &'static Backend = &BQL;
}

/// One `Exported`.
pub struct EndState<M: Memory> {
    memory: Arc<M>,
    // In the program a static. Each play has one of its own, leaked.
    current: &'static Exported<Object<M>, Bql>,
}

impl<M: Memory> Shape<M> for EndState<M> {
    type Thread = Unlocked<Bql>;
    type Owner = Publication<Object<M>, Bql>;
    type Worker = Arc<Object<M>>;

    fn new(memory: Arc<M>) -> Self {
        EndState { memory, current: Box::leak(Box::default()) }
    }

    fn attach() -> Unlocked<Bql> {
        Unlocked::attach().expect("each thread of the scenario attaches once")
    }

    fn init(&self, thread: &mut Unlocked<Bql>, serial: u32) -> Result<Self::Owner, Refused> {
        let object = Arc::new(Object::new(&self.memory, serial));
        self.current.publish(&mut thread.lock(), object).map_err(|_| Refused)
    }

    fn start(&self, thread: &mut Unlocked<Bql>) -> Option<Arc<Object<M>>> {
        self.current.share(&thread.lock())
    }

    fn look_inside(&self, counted: &Arc<Object<M>>) -> Option<u32> {
        Some(counted.serial())
    }

    fn finish(&self, counted: Arc<Object<M>>) {
        counted.release();
    }

    fn is_running(&self, thread: &mut Unlocked<Bql>) -> Option<u32> {
        self.current.get(&thread.lock()).map(Object::serial)
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        drop(Object::new(&self.memory, serial));
        Ok(())
    }

    fn shutdown(&self, thread: &mut Unlocked<Bql>, publication: Self::Owner) {
        let object = publication.retire(&mut thread.lock());
        object.release();
    }
}
