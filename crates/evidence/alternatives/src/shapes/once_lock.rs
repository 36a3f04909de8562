//! `OnceLock`: set once, never cleared.
//!
//! Nothing can dangle, for nothing ends. There is no shutdown to speak of and no second
//! object, and destructors of what the object owns (sockets, threads) never run.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::memory::Memory;
use crate::object::Object;
use crate::shape::{Refused, Shape};
use crate::sync::OnceLock;

/// A `static OnceLock`.
pub struct SetOnce<M: Memory> {
    memory: Arc<M>,
    // A static is not dropped at the end of the program.
    current: ManuallyDrop<OnceLock<Object<M>>>,
}

impl<M: Memory> Shape<M> for SetOnce<M> {
    type Thread = ();
    type Owner = ();
    type Worker = ();

    fn new(memory: Arc<M>) -> Self {
        SetOnce { memory, current: ManuallyDrop::new(OnceLock::new()) }
    }

    fn attach() {}

    fn init(&self, (): &mut (), serial: u32) -> Result<(), Refused> {
        self.current.set(Object::new(&self.memory, serial)).map_err(|_| Refused)
    }

    fn start(&self, (): &mut ()) -> Option<()> {
        self.current.get().map(|_| ())
    }

    fn look_inside(&self, (): &()) -> Option<u32> {
        self.is_running(&mut ())
    }

    fn finish(&self, (): ()) {}

    fn is_running(&self, (): &mut ()) -> Option<u32> {
        self.current.get().map(Object::serial)
    }

    fn introspect(&self, serial: u32) -> Result<(), Refused> {
        drop(Object::new(&self.memory, serial));
        Ok(())
    }

    fn shutdown(&self, (): &mut (), (): ()) {}
}
