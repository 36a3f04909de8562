//! One global object, published for a while, readable only with the big lock held.
//!
//! [`Exported`] is for the object that code all over a program must find, that can go away,
//! and that a background thread may be the last to use: QEMU's `current_migration`, a
//! display, a device registry. Readers need no count and no check but for *is it there*:
//!
//! ```
//! use std::sync::Arc;
//! use biglock::{Lock, StdMutex, Unlocked};
//! use exported::Exported;
//!
//! static MUTEX: StdMutex = StdMutex::new();
//! enum Big {}
//! impl Lock for Big {
//!     type Backend = StdMutex;
//!     const LOCK: &'static StdMutex = &MUTEX;
//! }
//! static CURRENT: Exported<String, Big> = Exported::new();
//!
//! let mut thread = Unlocked::<Big>::attach()?;
//! let mut guard = thread.lock();
//! let publication = CURRENT.publish(&mut guard, Arc::new("object".into())).expect("vacant");
//! assert_eq!(CURRENT.get(&guard).map(String::as_str), Some("object"));
//! let object: Arc<String> = publication.retire(&mut guard);
//! assert!(CURRENT.get(&guard).is_none());
//! # assert_eq!(*object, "object");
//! # Ok::<(), biglock::AttachError>(())
//! ```
//!
//! # Why it looks like this
//!
//! * **A read borrows the guard.** [`get`](Exported::get) is a load and a null test. The
//!   reference ends where the lock may be released, because releasing takes `&mut Guard`.
//! * **Retiring takes the lock exclusively**, so no reader can be looking. The slot is empty
//!   at once: no grace period, no deferred free.
//! * **The owner's count comes back as a value.** The destructor runs where the owner drops
//!   it, or where another holder of a count does; never inside `retire`.
//! * **The right to retire is a value**, [`Publication`]: retiring twice does not compile,
//!   and losing it leaves the object exported for ever, never dangling.
//!
//! # Caveats
//!
//! Who must keep the object across a release of the lock takes a count with
//! [`share`](Exported::share). That is one atomic increment, and the rule at work.
//!
//! # Alternatives
//!
//! `OnceLock` if the object never goes. `arc-swap` or an epoch scheme if readers cannot take
//! the lock; each read then costs some tens of times more. A mutex around an `Option<Arc<T>>`
//! if there is no big lock.
#![no_std]

extern crate alloc;

use alloc::sync::Arc;
use core::{fmt, mem, ptr};

use biglock::{Guard, Guarded, Lock};

/// The place of one global object under lock `L`.
///
/// # Invariants
///
/// If the slot is not null, its pointer came from [`Arc::into_raw`] and the slot owns that
/// count; the place is `'static` and exactly one [`Publication`] of it exists or was leaked.
pub struct Exported<T: 'static, L: Lock> {
    slot: Guarded<Slot<T>, L>,
}

struct Slot<T>(*const T);

// SAFETY: a slot stands for an `Arc<T>`, and its holder hands out `&T` on any thread that
// has the lock; both need `T: Send + Sync`.
unsafe impl<T: Send + Sync> Send for Slot<T> {}

impl<T, L: Lock> Exported<T, L> {
    /// A place with nothing in it. Declare it as a `static`: a `const` is another place at
    /// each use.
    pub const fn new() -> Self {
        Exported { slot: Guarded::new(Slot(ptr::null())) }
    }

    /// Makes `object` the one that [`get`](Exported::get) finds.
    ///
    /// # Errors
    ///
    /// If an object is published already, the new one is handed back.
    pub fn publish(
        &'static self,
        guard: &mut Guard<'_, L>,
        object: Arc<T>,
    ) -> Result<Publication<T, L>, AlreadyPublished<T>> {
        let slot = self.slot.borrow_mut(guard);
        if !slot.0.is_null() {
            return Err(AlreadyPublished(object));
        }
        // INVARIANT: the count goes to the slot, and the one publication is made here.
        slot.0 = Arc::into_raw(object);
        Ok(Publication { place: self, _thread: NotSend { _pointers: [] } })
    }

    /// The object, if one is published, for as long as the guard is borrowed. Whoever hands
    /// `&mut Guard` on, to code that may release the lock, takes a [`share`](Exported::share)
    /// first.
    #[inline]
    pub fn get<'g>(&self, held: &'g Guard<'_, L>) -> Option<&'g T> {
        // SAFETY: if not null the slot owns a count of the object, and giving it back
        // (`retire`) takes `&mut Guard`, so not while the guard is borrowed for 'g.
        unsafe { self.slot.borrow(held).0.as_ref() }
    }

    /// A count of the object, to keep it where the lock may be released.
    ///
    /// Call it in the module that owns the place, and hand the object on as `&T`.
    pub fn share(&self, held: &Guard<'_, L>) -> Option<Arc<T>> {
        let object = self.slot.borrow(held).0;
        if object.is_null() {
            return None;
        }
        // SAFETY: by the invariant the pointer came from `Arc::into_raw` and is counted.
        unsafe { Arc::increment_strong_count(object) };
        // SAFETY: the count taken on the line above is the one this `Arc` owns.
        Some(unsafe { Arc::from_raw(object) })
    }
}

impl<T, L: Lock> Default for Exported<T, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, L: Lock> fmt::Debug for Exported<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exported").finish_non_exhaustive()
    }
}

/// The right to retire what was published.
///
/// It cannot be copied and stays on the thread that published. Losing it leaves the object
/// exported for ever.
#[must_use = "bind it to a name: without it, as after `let _ = …`, the object stays exported for ever"]
pub struct Publication<T: 'static, L: Lock> {
    place: &'static Exported<T, L>,
    _thread: NotSend,
}

/// An array of ours and not a `PhantomData` of a pointer: the compiler's notes then stop in
/// this crate, and its headline names the reason.
struct NotSend {
    _pointers: [*const dyn PublicationStaysOnItsThread; 0],
}

/// Says in the compiler's words why a publication cannot be sent.
trait PublicationStaysOnItsThread {}

impl<T, L: Lock> Publication<T, L> {
    /// Empties the place and hands the owner's count back.
    #[must_use = "the owner's count; drop it where the destructor may run"]
    pub fn retire(self, guard: &mut Guard<'_, L>) -> Arc<T> {
        let slot = self.place.slot.borrow_mut(guard);
        let object = mem::replace(&mut slot.0, ptr::null());
        // SAFETY: a publication exists, so the slot owned the count of this pointer from
        // `Arc::into_raw`, and it has just been taken out of the slot.
        unsafe { Arc::from_raw(object) }
    }
}

impl<T, L: Lock> fmt::Debug for Publication<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication").finish_non_exhaustive()
    }
}

/// An object is published already; the new one is inside.
pub struct AlreadyPublished<T>(pub Arc<T>);

impl<T> fmt::Display for AlreadyPublished<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object is published already")
    }
}

impl<T> fmt::Debug for AlreadyPublished<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlreadyPublished").finish_non_exhaustive()
    }
}

impl<T> core::error::Error for AlreadyPublished<T> {}
