//! Data that the big lock protects.

use core::cell::UnsafeCell;
use core::fmt;

use crate::{Brand, Guard, Holding, Lock};

/// A value that only the holder of lock `L` reads or writes.
///
/// `&Guard` gives `&T` and `&mut Guard` gives `&mut T`. There is no flag to check at run time,
/// and no access can fail.
///
/// ```
/// # use biglock::{Guarded, Lock, StdMutex, Unlocked};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// static NAMES: Guarded<Vec<String>, Big> = Guarded::new(Vec::new());
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// NAMES.borrow_mut(&mut guard).push("disk0".into());
/// assert_eq!(NAMES.borrow(&guard).len(), 1);
///
/// // The owner of the value needs no lock.
/// let mut owned = Guarded::<u32, Big>::new(1);
/// *owned.get_mut() += 1;
/// assert_eq!(owned.into_inner(), 2);
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// # Invariants
///
/// `&self` gives access only with a guard of `L`, or with a part of one. `&mut self` and the value
/// itself need none.
pub struct Guarded<T: ?Sized, L: Lock> {
    _brand: Brand<L>,
    value: UnsafeCell<T>,
}

// SAFETY: `&Guarded` gives access only with a `Guard<L>`. One thread has one at a time, and
// it cannot be shared or sent, so the value moves from thread to thread under the lock,
// which needs `T: Send`; it is never used by two threads at once through this type, which
// would need `T: Sync`.
unsafe impl<T: ?Sized + Send, L: Lock> Sync for Guarded<T, L> {}

impl<T, L: Lock> Guarded<T, L> {
    /// Puts `value` under the lock. Declare a global one as a `static`: each use of a `const` is
    /// another value.
    pub const fn new(value: T) -> Self {
        Guarded { _brand: Brand::NEW, value: UnsafeCell::new(value) }
    }

    /// Returns the value. It needs no guard: the owner is the only user.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, L: Lock> Guarded<T, L> {
    /// Borrows the value, for as long as the guard is borrowed.
    #[doc(alias = "lock")]
    #[doc(alias = "get")]
    #[inline]
    pub fn borrow<'g>(&'g self, _held: &'g Guard<'_, L>) -> &'g T {
        // SAFETY: a guard is borrowed for 'g, so this thread holds the lock for 'g and no
        // other thread has access; and no `&mut Guard` exists during 'g, so no `&mut T` of
        // this cell does.
        unsafe { &*self.value.get() }
    }

    /// Borrows the value mutably, for as long as the guard is borrowed.
    #[doc(alias = "set")]
    #[inline]
    pub fn borrow_mut<'g>(&'g self, _held: &'g mut Guard<'_, L>) -> &'g mut T {
        // SAFETY: the guard is borrowed mutably for 'g. It is the only usable guard of L on
        // this thread, so no other reference that came out of this cell is alive.
        unsafe { &mut *self.value.get() }
    }

    /// Borrows the value for as long as the lock stays held, whatever is borrowed of guarded data.
    ///
    /// # Safety
    ///
    /// Nothing writes to the value for `'g`: no [`Access`](crate::Access) is used with it.
    #[inline]
    pub unsafe fn borrow_while<'g>(&'g self, _held: Holding<'g, L>) -> &'g T {
        // SAFETY: the lock stays held for 'g and its guard is not usable, so the value can be
        // written through an `Access` only, which the caller excludes.
        unsafe { &*self.as_ptr() }
    }

    pub(crate) fn as_ptr(&self) -> *mut T {
        self.value.get()
    }

    /// Borrows the value mutably. It needs no guard: `&mut self` excludes every other user.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default, L: Lock> Default for Guarded<T, L> {
    fn default() -> Self {
        Guarded::new(T::default())
    }
}

impl<T: ?Sized, L: Lock> fmt::Debug for Guarded<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}
