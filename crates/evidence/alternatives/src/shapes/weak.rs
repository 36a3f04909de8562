//! `Weak`: the global does not own the object, a reader tries to get a count.
//!
//! The owner's `Arc` is with the main thread. There is nothing to clear at shutdown: when
//! the last count is gone the upgrade fails. Until then it succeeds, so helpers find an
//! object that was shut down, and whoever asked last runs its destructor.

use std::sync::Arc;

use crate::memory::Memory;
use crate::object::Object;
use crate::shape::{Refused, Shape};
use crate::sync::{Mutex, Strong, Weak, lock};

/// A weak reference, upgraded by each reader.
pub struct WeakReference<M: Memory> {
    memory: Arc<M>,
    current: Mutex<Weak<Object<M>>>,
}

impl<M: Memory> WeakReference<M> {
    fn upgrade(&self) -> Option<Strong<Object<M>>> {
        lock(&self.current).upgrade()
    }
}

impl<M: Memory> Shape<M> for WeakReference<M> {
    type Thread = ();
    type Owner = Strong<Object<M>>;
    type Worker = Strong<Object<M>>;

    fn new(memory: Arc<M>) -> Self {
        WeakReference { memory, current: Mutex::new(Weak::new()) }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<Self::Owner, Refused> {
        let object = Strong::new(Object::new(&self.memory, serial));
        *lock(&self.current) = Strong::downgrade(&object);
        Ok(object)
    }

    fn start(&self, (): &mut ()) -> Option<Self::Worker> {
        self.upgrade()
    }

    fn look_inside(&self, _counted: &Self::Worker) -> Option<u32> {
        self.is_running(&mut ())
    }

    fn finish(&self, counted: Self::Worker) {
        drop(counted);
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        self.upgrade().map(|object| object.serial())
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        drop(Object::new(&self.memory, serial));
        Ok(())
    }

    fn shutdown(&self, (): &mut (), object: Self::Owner) {
        drop(object);
    }
}
