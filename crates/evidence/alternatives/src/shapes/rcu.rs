//! RCU: readers mark a section, the object ends when the sections of its time are over.
//!
//! Raised in the review of version 2 and answered with "too many read locks all over the
//! places". Here with epochs (`crossbeam-epoch`). The global owns a count; shutdown takes it
//! out and drops it after a grace period. Migration code marks sections too, since it looks
//! for the object at the same global, and finds nothing there after shutdown.

use std::sync::Arc as StdArc;

use crate::memory::Memory;
use crate::object::Object;
use crate::shape::{Refused, Shape};
#[cfg(loom)]
use crate::stand_in::RcuCell;
use crate::sync::Arc;

/// A pointer that is read in marked sections.
pub struct Rcu<M: Memory> {
    memory: StdArc<M>,
    current: RcuCell<Arc<Object<M>>>,
}

impl<M: Memory> Shape<M> for Rcu<M> {
    type Thread = ();
    type Owner = ();
    type Worker = Arc<Object<M>>;

    fn new(memory: StdArc<M>) -> Self {
        Rcu { memory, current: RcuCell::new() }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<(), Refused> {
        if self.current.read(|object| object.is_some()) {
            return Err(Refused);
        }
        self.current.replace(Some(Arc::new(Object::new(&self.memory, serial))));
        Ok(())
    }

    fn start(&self, (): &mut ()) -> Option<Arc<Object<M>>> {
        self.current.read(|object| object.cloned())
    }

    fn look_inside(&self, _counted: &Arc<Object<M>>) -> Option<u32> {
        self.is_running(&mut ())
    }

    fn finish(&self, counted: Arc<Object<M>>) {
        drop(counted);
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        self.current.read(|object| object.map(|object| object.serial()))
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        drop(Object::new(&self.memory, serial));
        Ok(())
    }

    fn shutdown(&self, (): &mut (), (): ()) {
        self.current.replace(None);
    }

    fn settle(&self) {
        self.current.settle();
    }
}

/// A place for a value that is replaced while others read it.
#[cfg(not(loom))]
struct RcuCell<T> {
    value: crossbeam_epoch::Atomic<T>,
    collector: crossbeam_epoch::Collector,
}

#[cfg(not(loom))]
impl<T: Send + Sync + 'static> RcuCell<T> {
    fn new() -> Self {
        RcuCell {
            value: crossbeam_epoch::Atomic::null(),
            collector: crossbeam_epoch::Collector::new(),
        }
    }

    /// Runs `f` in a read-side section.
    fn read<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        let section = self.collector.register().pin();
        let value = self.value.load(std::sync::atomic::Ordering::Acquire, &section);
        // SAFETY: a value that is taken out is dropped after the sections of its time, and
        // this section began before the load.
        f(unsafe { value.as_ref() })
    }

    /// Puts a value in; the one before is dropped after a grace period.
    fn replace(&self, value: Option<T>) {
        let section = self.collector.register().pin();
        let value = value.map_or(crossbeam_epoch::Shared::null(), |value| {
            crossbeam_epoch::Owned::new(value).into_shared(&section)
        });
        let old = self.value.swap(value, std::sync::atomic::Ordering::AcqRel, &section);
        if !old.is_null() {
            // SAFETY: it was swapped out, so no later section finds it, and only this call
            // swapped it out.
            unsafe { section.defer_destroy(old) };
        }
    }

    /// Lets grace periods pass until everything is dropped that was put off so far; with no
    /// section open a few suffice.
    fn settle(&self) {
        let reader = self.collector.register();
        for _ in 0..8 {
            reader.pin().flush();
        }
    }
}
