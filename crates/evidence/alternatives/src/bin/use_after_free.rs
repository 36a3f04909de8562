//! The scenario on the heap, for AddressSanitizer and valgrind: `use_after_free SHAPE`.
//!
//! Objects are boxes here, and freed ones are given back to the allocator. A virtual CPU's
//! thread that is about to read is held there until the object is freed, or for a moment
//! if nobody frees it: the window that loom finds, held open. A shape without protection is
//! undefined behaviour in this program, and in no other. The others end with "clean".

use std::process::ExitCode;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{ptr, thread};

use alternatives::scenario::{Cast, Helper, play};
use alternatives::shapes::{Name, Visitor};
use alternatives::{Address, Memory, Shape};

/// How long a window is held open for somebody who may never come.
const MOMENT: Duration = Duration::from_millis(300);

/// A migration object of C.
struct HeapObject {
    serial: AtomicU32,
    count: AtomicUsize,
    mutex: Mutex<()>,
}

fn at(address: Address) -> *mut HeapObject {
    ptr::with_exposed_provenance_mut(address.0)
}

/// The heap, with a window between finding the pointer and following it.
#[derive(Default)]
struct Heap {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Default)]
struct Stage {
    reader_has_pointer: bool,
    freed: bool,
}

impl Heap {
    fn change(&self, change: impl FnOnce(&mut Stage)) {
        change(&mut self.stage.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait_until(&self, condition: impl Fn(&Stage) -> bool) {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let over = self.changed.wait_timeout_while(stage, MOMENT, |stage| !condition(stage));
        drop(over);
    }

    /// The virtual CPU's thread has the pointer and has not followed it.
    fn window(&self) {
        if thread::current().name() == Some("vcpu") {
            self.change(|stage| stage.reader_has_pointer = true);
            self.wait_until(|stage| stage.freed);
        }
    }
}

impl Memory for Heap {
    fn allocate(&self, serial: u32) -> Address {
        let object = Box::new(HeapObject {
            serial: AtomicU32::new(serial),
            count: AtomicUsize::new(1),
            mutex: Mutex::new(()),
        });
        Address(Box::into_raw(object).expose_provenance())
    }

    unsafe fn serial(&self, address: Address) -> u32 {
        self.window();
        // SAFETY: the caller says that the object is not freed. Some lie.
        let object = unsafe { &*at(address) };
        object.serial.load(Relaxed)
    }

    unsafe fn reference(&self, address: Address) {
        // SAFETY: as above.
        let object = unsafe { &*at(address) };
        object.count.fetch_add(1, Relaxed);
    }

    unsafe fn unreference(&self, address: Address) -> bool {
        // SAFETY: as above.
        let object = unsafe { &*at(address) };
        object.count.fetch_sub(1, AcqRel) == 1
    }

    unsafe fn locked<R>(&self, address: Address, f: impl FnOnce() -> R) -> R {
        self.window();
        // SAFETY: as above.
        let object = unsafe { &*at(address) };
        let _held = object.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        f()
    }

    unsafe fn free(&self, address: Address) {
        // SAFETY: the address is from `Box::into_raw`, and the caller says that nobody has
        // freed it or uses it.
        drop(unsafe { Box::from_raw(at(address)) });
        self.change(|stage| stage.freed = true);
    }

    fn before_shutdown(&self) {
        self.wait_until(|stage| stage.reader_has_pointer);
    }
}

struct Play;

impl Visitor<Heap> for Play {
    type Output = ();

    fn shape<S: Shape<Heap>>(self) {
        // The helper that version 3 left without its mutex.
        let cast = Cast { vcpu: Some(Helper::IsActive), ..Cast::default() };
        play::<Heap, S>(cast, &Arc::default());
    }
}

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    match Name::ALL.into_iter().find(|shape| Some(shape.name()) == wanted.as_deref()) {
        Some(shape) => {
            shape.visit(Play);
            println!("{}: clean", shape.name());
            ExitCode::SUCCESS
        }
        None => {
            let names = Name::ALL.map(Name::name).join(", ");
            eprintln!("usage: use_after_free SHAPE, one of {names}");
            ExitCode::from(2)
        }
    }
}
