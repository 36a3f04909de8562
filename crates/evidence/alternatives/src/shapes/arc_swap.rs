//! `arc-swap`: the global owns a count, and a reader takes one without a lock.
//!
//! Shutdown stores nothing in it, at once and for everybody. Migration code that looks there
//! finds nothing from then on, though its thread has a count; and a reader that took the
//! last count runs the destructor.

use std::sync::Arc as StdArc;

use crate::memory::Memory;
use crate::object::Object;
use crate::shape::{Refused, Shape};
use crate::sync::{Arc, ArcSwapOption};

/// An `ArcSwapOption`.
pub struct ArcSwap<M: Memory> {
    memory: StdArc<M>,
    current: ArcSwapOption<Object<M>>,
}

impl<M: Memory> Shape<M> for ArcSwap<M> {
    type Thread = ();
    type Owner = ();
    type Worker = Arc<Object<M>>;

    fn new(memory: StdArc<M>) -> Self {
        ArcSwap { memory, current: ArcSwapOption::new(None) }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<(), Refused> {
        if self.current.load_full().is_some() {
            return Err(Refused);
        }
        self.current.store(Some(Arc::new(Object::new(&self.memory, serial))));
        Ok(())
    }

    fn start(&self, (): &mut ()) -> Option<Arc<Object<M>>> {
        self.current.load_full()
    }

    fn look_inside(&self, _counted: &Arc<Object<M>>) -> Option<u32> {
        self.is_running(&mut ())
    }

    fn finish(&self, counted: Arc<Object<M>>) {
        drop(counted);
    }

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        self.current.load_full().map(|object| object.serial())
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        drop(Object::new(&self.memory, serial));
        Ok(())
    }

    fn shutdown(&self, (): &mut (), (): ()) {
        self.current.store(None);
    }
}
