//! Data that the big lock protects.

use core::cell::UnsafeCell;
use core::fmt;

use crate::{Brand, Guard, Lock};

/// A value that only the holder of lock `L` reads or writes.
///
/// `&Guard` gives `&T` and `&mut Guard` gives `&mut T`; there is no flag to check at run
/// time and nothing that can fail.
///
/// # Invariants
///
/// The value is reached through `&self` only with a guard of `L`, and through `&mut self` or
/// by value only without one.
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
    /// Puts `value` under the lock. What is global is declared as a `static`: a `const` is
    /// another value at each use.
    pub const fn new(value: T) -> Self {
        Guarded { _brand: Brand::NEW, value: UnsafeCell::new(value) }
    }

    /// The value back; owning the cell is proof enough.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, L: Lock> Guarded<T, L> {
    /// The value, for as long as the guard is borrowed.
    #[inline]
    pub fn borrow<'g>(&'g self, _held: &'g Guard<'_, L>) -> &'g T {
        // SAFETY: a guard is borrowed for 'g, so this thread holds the lock for 'g and no
        // other thread has access; and no `&mut Guard` exists during 'g, so no `&mut T` of
        // this cell does.
        unsafe { &*self.value.get() }
    }

    /// The value to change, for as long as the guard is borrowed.
    #[inline]
    pub fn borrow_mut<'g>(&'g self, _held: &'g mut Guard<'_, L>) -> &'g mut T {
        // SAFETY: the guard is borrowed mutably for 'g. It is the only usable guard of L on
        // this thread, so no other reference that came out of this cell is alive.
        unsafe { &mut *self.value.get() }
    }

    /// The value to change; a `&mut` of the cell is proof enough.
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
