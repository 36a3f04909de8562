//! One global object, published for a while, readable only with the big lock held.
//!
//! [`Exported`] is for an object that code all over a program must find, that can go away,
//! and that a background thread may be the last to use: QEMU's `current_migration`, a
//! display, a device registry. Readers take no count and check only whether it is there:
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
//! * **Retiring borrows the guard mutably**, so no reader still has a reference. The slot is empty
//!   at once: no grace period, no deferred free.
//! * **`retire` returns the owner's count.** The destructor runs where the last count is dropped,
//!   the owner's or another; never inside `retire`.
//! * **The right to retire is a value**, [`Publication`]: retiring twice does not compile,
//!   and losing it leaves the object exported for ever, never dangling.
//!
//! # Caveats
//!
//! Code that keeps the object while the lock may be released takes a count with
//! [`share`](Exported::share), which is one atomic increment.
//!
//! # Alternatives
//!
//! Use `OnceLock` if the object never goes away, and a mutex around an `Option<Arc<T>>` if there
//! is no big lock. If readers cannot take the lock, use `arc-swap` or an epoch scheme; each read
//! then costs some tens of times more.
#![no_std]

extern crate alloc;

mod error;
mod scope;
mod unwind;

pub use error::AlreadyPublished;

use alloc::sync::Arc;
use core::fmt;
use core::ptr::NonNull;

use biglock::{Guard, Guarded, Holding, Lock};

/// The place of one global object under lock `L`.
///
/// ```
/// # use biglock::{Lock, StdMutex, Unlocked};
/// # use exported::Exported;
/// # use std::sync::Arc;
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// static CURRENT: Exported<String, Big> = Exported::new();
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// let publication = CURRENT.publish(&mut guard, Arc::new("object".into())).expect("vacant");
/// assert_eq!(CURRENT.get(&guard).map(String::len), Some(6)); // borrows the guard
///
/// let counted = CURRENT.share(&guard).expect("published above");
/// drop(publication.retire(&mut guard));
/// assert_eq!(*counted, "object"); // a count outlives the publication
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// The type of the object may be known only at run time:
///
/// ```
/// # use biglock::{Lock, StdMutex, Unlocked};
/// # use exported::Exported;
/// # use std::sync::Arc;
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// trait Display: Send + Sync {
///     fn width(&self) -> u32;
/// }
/// struct Headless;
/// impl Display for Headless {
///     fn width(&self) -> u32 {
///         0
///     }
/// }
/// static CURRENT: Exported<dyn Display, Big> = Exported::new();
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// let publication = CURRENT.publish(&mut guard, Arc::new(Headless)).expect("vacant");
/// assert_eq!(CURRENT.get(&guard).map(|display| display.width()), Some(0));
/// # drop(publication.retire(&mut guard));
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// # Invariants
///
/// If the slot is not empty, its pointer came from [`Arc::into_raw`] and the slot owns that
/// count; the place is `'static` and exactly one [`Publication`] of it exists or was leaked. While
/// a publication exists, the slot is not empty.
pub struct Exported<T: ?Sized + 'static, L: Lock> {
    slot: Guarded<Slot<T>, L>,
}

struct Slot<T: ?Sized>(Option<NonNull<T>>);

// SAFETY: a slot stands for an `Arc<T>`, and its holder hands out `&T` on any thread that
// has the lock; both need `T: Send + Sync`.
unsafe impl<T: ?Sized + Send + Sync> Send for Slot<T> {}

impl<T: ?Sized, L: Lock> Exported<T, L> {
    /// Creates an empty place. Declare it as a `static`: each use of a `const` is another place.
    pub const fn new() -> Self {
        Exported { slot: Guarded::new(Slot(None)) }
    }

    /// Publishes `object`: [`get`](Exported::get) returns it until it is retired.
    ///
    /// # Errors
    ///
    /// If an object is published already. The error has the new one.
    pub fn publish(
        &'static self,
        guard: &mut Guard<'_, L>,
        object: Arc<T>,
    ) -> Result<Publication<T, L>, AlreadyPublished<T>> {
        let slot = self.slot.borrow_mut(guard);
        if slot.0.is_some() {
            return Err(AlreadyPublished(object));
        }
        // INVARIANT: the count goes to the slot, which is not empty now since the pointer is not
        // null, and the one publication is made here.
        slot.0 = NonNull::new(Arc::into_raw(object).cast_mut());
        Ok(Publication { place: self, _thread: NotSend { _pointers: [] } })
    }

    /// Returns the object, if one is published, for as long as the guard is borrowed. Code that
    /// passes `&mut Guard` on, so that the lock may be released, calls [`share`](Exported::share)
    /// first to keep the object.
    #[inline]
    pub fn get<'g>(&self, held: &'g Guard<'_, L>) -> Option<&'g T> {
        // SAFETY: if not empty the slot owns a count of the object. Only `retire` takes that count
        // out, and it needs `&mut Guard`, so it cannot run while the guard is borrowed for 'g.
        self.slot.borrow(held).0.map(|object| unsafe { object.as_ref() })
    }

    /// Returns the object, if one is published, for as long as the lock stays held: guarded data,
    /// that of the object too, may be written meanwhile with the other part of the
    /// [split](Guard::split) guard.
    ///
    /// ```
    /// # use biglock::{Guarded, Lock, StdMutex, Unlocked};
    /// # use exported::Exported;
    /// # use std::sync::Arc;
    /// # static MUTEX: StdMutex = StdMutex::new();
    /// # enum Big {}
    /// # impl Lock for Big {
    /// #     type Backend = StdMutex;
    /// #     const LOCK: &'static StdMutex = &MUTEX;
    /// # }
    /// struct Device {
    ///     writes: Guarded<u64, Big>,
    /// }
    /// static CURRENT: Exported<Device, Big> = Exported::new();
    ///
    /// let mut thread = Unlocked::<Big>::attach()?;
    /// let mut guard = thread.lock();
    /// let device = Arc::new(Device { writes: Guarded::new(0) });
    /// let publication = CURRENT.publish(&mut guard, device).expect("vacant");
    ///
    /// let (holding, mut access) = guard.split();
    /// let device = CURRENT.get_while(holding).expect("published above");
    /// *access.borrow_mut(&device.writes) += 1;
    ///
    /// let device = publication.retire(&mut guard);
    /// assert_eq!(*device.writes.borrow(&guard), 1);
    /// # Ok::<(), biglock::AttachError>(())
    /// ```
    #[inline]
    pub fn get_while<'g>(&self, holding: Holding<'g, L>) -> Option<&'g T> {
        // SAFETY: no `Access` is used with the slot, which is private: what writes to it takes
        // `&mut Guard`.
        let slot = unsafe { self.slot.borrow_while(holding) };
        // SAFETY: if not empty the slot owns a count of the object. Only `retire` takes that count
        // out, and it needs `&mut Guard`, which is borrowed for 'g.
        slot.0.map(|object| unsafe { object.as_ref() })
    }

    /// Takes a count of the object, to keep it where the lock may be released.
    ///
    /// Call it in the module that owns the place. Pass `&T` to what only uses the object, and the
    /// `Arc` to what outlives the call.
    pub fn share(&self, held: &Guard<'_, L>) -> Option<Arc<T>> {
        let object = self.slot.borrow(held).0?.as_ptr();
        // SAFETY: by the invariant the pointer came from `Arc::into_raw` and is counted.
        unsafe { Arc::increment_strong_count(object) };
        // SAFETY: the count taken on the line above is the one this `Arc` owns.
        Some(unsafe { Arc::from_raw(object) })
    }
}

impl<T: ?Sized, L: Lock> Default for Exported<T, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized, L: Lock> fmt::Debug for Exported<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exported").finish_non_exhaustive()
    }
}

/// The right to retire a published object.
///
/// It cannot be copied and stays on the thread that published. Losing it leaves the object
/// exported for ever.
///
/// ```
/// # use biglock::{Lock, StdMutex, Unlocked};
/// # use exported::{Exported, Publication};
/// # use std::sync::Arc;
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// static CURRENT: Exported<u32, Big> = Exported::new();
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// let publication: Publication<u32, Big> =
///     CURRENT.publish(&mut guard, Arc::new(7)).expect("vacant");
/// let owned: Arc<u32> = publication.retire(&mut guard);
/// assert!(CURRENT.get(&guard).is_none());
/// drop(guard);
/// drop(owned); // the destructor runs here, without the lock
/// # Ok::<(), biglock::AttachError>(())
/// ```
#[must_use = "bind it to a name: without it, as after `let _ = …`, the object stays exported for ever"]
pub struct Publication<T: ?Sized + 'static, L: Lock> {
    place: &'static Exported<T, L>,
    _thread: NotSend,
}

/// Keeps a type on its thread. It is an array and not a `PhantomData` of a pointer, so that the
/// compiler's notes stop in this crate and its headline names the reason.
struct NotSend {
    _pointers: [*const dyn PublicationStaysOnItsThread; 0],
}

/// Says in the compiler's words why a publication cannot be sent.
trait PublicationStaysOnItsThread {}

impl<T: ?Sized, L: Lock> Publication<T, L> {
    /// Empties the place and returns the owner's count.
    #[must_use = "the owner's count; drop it where the destructor may run"]
    pub fn retire(self, guard: &mut Guard<'_, L>) -> Arc<T> {
        let slot = self.place.slot.borrow_mut(guard);
        // SAFETY: a publication exists, so the slot is not empty.
        let object = unsafe { slot.0.take().unwrap_unchecked() };
        // SAFETY: the slot owned the count of this pointer from `Arc::into_raw`, and it has just
        // been taken out of the slot.
        unsafe { Arc::from_raw(object.as_ptr()) }
    }
}

impl<T: ?Sized, L: Lock> fmt::Debug for Publication<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication").finish_non_exhaustive()
    }
}
