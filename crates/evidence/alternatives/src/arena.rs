//! Memory in which a use after free is a value and not undefined behaviour.

use std::fmt;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::{self, PoisonError};

use crate::memory::{Address, Memory, POISON};
use crate::sync::{AtomicU32, AtomicUsize, Mutex, lock, thread_name};

/// Objects that stay readable when they are freed; every access looks whether it came too
/// late.
///
/// An address is the object's serial number, from 1 to [`Arena::OBJECTS`].
pub struct Arena {
    slots: [Slot; Arena::OBJECTS],
    /// A mutex that loom does not see: looking on adds no interleavings.
    seen: sync::Mutex<Seen>,
    #[cfg(loom)]
    ordered: bool,
}

#[derive(Default)]
struct Slot {
    /// The serial number, or [`POISON`].
    word: AtomicU32,
    count: AtomicUsize,
    mutex: Mutex<()>,
    #[cfg(loom)]
    body: Body,
}

/// What loom checks for order: read while the object lives, written when it is freed.
#[cfg(loom)]
struct Body(loom::cell::UnsafeCell<()>);

#[cfg(loom)]
impl Default for Body {
    fn default() -> Self {
        Body(loom::cell::UnsafeCell::new(()))
    }
}

// SAFETY: nothing is stored in it; loom looks at the order of the accesses.
#[cfg(loom)]
unsafe impl Sync for Body {}

#[derive(Default)]
struct Seen {
    used_after_free: bool,
    null_dereferenced: bool,
    freed_by: [Option<&'static str>; Arena::OBJECTS],
    trace: Vec<String>,
}

impl Arena {
    /// How many objects there can be.
    pub const OBJECTS: usize = 3;

    /// An arena without objects.
    pub fn new() -> Self {
        Arena {
            slots: Default::default(),
            seen: Default::default(),
            #[cfg(loom)]
            ordered: false,
        }
    }

    /// An arena in which loom also demands that each use of an object is ordered before its
    /// end, as on a machine with a weak memory order.
    #[cfg(loom)]
    pub fn ordered() -> Self {
        Arena { ordered: true, ..Arena::new() }
    }

    /// Whether a freed object was used.
    pub fn used_after_free(&self) -> bool {
        self.seen().used_after_free
    }

    /// Whether `NULL` was used as an object.
    pub fn null_dereferenced(&self) -> bool {
        self.seen().null_dereferenced
    }

    /// The thread that freed the object, if it is freed.
    pub fn freed_by(&self, serial: u32) -> Option<&'static str> {
        self.seen().freed_by[slot_of(serial)]
    }

    /// What happened, a line a step.
    pub fn trace(&self) -> String {
        self.seen().trace.join("\n")
    }

    fn seen(&self) -> sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object's slot, and what a read of it gives.
    fn access(&self, address: Address, what: &str) -> Option<(&Slot, u32)> {
        let Some(index) = address.0.checked_sub(1) else {
            self.note(format_args!("{what} NULL"));
            self.seen().null_dereferenced = true;
            return None;
        };
        let slot = &self.slots[index];
        let word = slot.word.load(Relaxed);
        if word == POISON {
            self.note(format_args!("{what} object {} AFTER ITS END", address.0));
            self.seen().used_after_free = true;
        } else {
            self.note(format_args!("{what} object {}", address.0));
            #[cfg(loom)]
            if self.ordered {
                slot.body.0.with(|_| ());
            }
        }
        Some((slot, word))
    }
}

fn slot_of(serial: u32) -> usize {
    serial as usize - 1
}

impl Default for Arena {
    fn default() -> Self {
        Arena::new()
    }
}

// The methods are unsafe by the trait; here they are harmless at any time.
impl Memory for Arena {
    fn allocate(&self, serial: u32) -> Address {
        let slot = &self.slots[slot_of(serial)];
        slot.word.store(serial, Relaxed);
        slot.count.store(1, Relaxed);
        self.note(format_args!("makes object {serial}"));
        Address(slot_of(serial) + 1)
    }

    unsafe fn serial(&self, address: Address) -> u32 {
        self.access(address, "reads").map_or(0, |(_, word)| word)
    }

    unsafe fn reference(&self, address: Address) {
        if let Some((slot, _)) = self.access(address, "counts") {
            slot.count.fetch_add(1, Relaxed);
        }
    }

    unsafe fn unreference(&self, address: Address) -> bool {
        match self.access(address, "drops its count of") {
            None | Some((_, POISON)) => false,
            Some((slot, _)) => slot.count.fetch_sub(1, AcqRel) == 1,
        }
    }

    unsafe fn locked<R>(&self, address: Address, f: impl FnOnce() -> R) -> R {
        let _held = self.access(address, "locks").map(|(slot, _)| lock(&slot.mutex));
        let result = f();
        self.access(address, "unlocks");
        result
    }

    unsafe fn free(&self, address: Address) {
        if let Some((slot, word)) = self.access(address, "frees")
            && word != POISON
        {
            #[cfg(loom)]
            if self.ordered {
                slot.body.0.with_mut(|_| ());
            }
            slot.word.store(POISON, Relaxed);
            self.seen().freed_by[slot_of(word)] = Some(thread_name());
        }
    }

    fn note(&self, step: fmt::Arguments<'_>) {
        let line = format!("{}: {step}", thread_name());
        self.seen().trace.push(line);
    }
}
