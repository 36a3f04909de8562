//! The two rights of an exclusive guard, lent apart.
//!
//! `&mut Guard` says two things: the lock stays held, and guarded data may be written. Code that
//! reads an exported object and writes what that object guards needs both at once, and a borrow of
//! the guard itself would be one borrow for both. [`Guard::split`] lends each as a value of its own.
//! Neither can release the lock, which takes the guard.

use core::fmt;
use core::marker::PhantomData;

use crate::{Brand, Guard, Guarded, Lock, NotSendSync};

/// The right that lock `L` stays held for `'g`, without access to guarded data.
///
/// It may be copied: it gives nothing but a lifetime. `Exported::get_while` takes it.
///
/// ```
/// # use biglock::{Guarded, Lock, StdMutex, Unlocked};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// static RUNS: Guarded<u32, Big> = Guarded::new(0);
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// let (holding, mut access) = guard.split();
/// let (also, _still) = (holding, holding);
/// *access.borrow_mut(&RUNS) += 1;
/// assert_eq!(*access.borrow(&RUNS), 1);
/// # let _ = also;
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// # Invariants
///
/// An exclusive borrow of a `Guard<L>` of this thread lasts for `'g`.
pub struct Holding<'g, L: Lock> {
    _guard: PhantomData<&'g ()>,
    _brand: Brand<L>,
    _thread: NotSendSync,
}

/// The right to read and write data that lock `L` guards, for `'g`.
///
/// ```
/// # use biglock::{Guarded, Lock, StdMutex, Unlocked};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// static NAMES: Guarded<Vec<&str>, Big> = Guarded::new(Vec::new());
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// let (_holding, mut access) = guard.split();
/// access.borrow_mut(&NAMES).push("disk0");
/// assert_eq!(access.borrow(&NAMES).len(), 1);
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// # Invariants
///
/// An exclusive borrow of a `Guard<L>` of this thread lasts for `'g`, and no other `Access` was
/// made of it.
pub struct Access<'g, L: Lock> {
    _guard: PhantomData<&'g mut ()>,
    _brand: Brand<L>,
    _thread: NotSendSync,
}

impl<L: Lock> Guard<'_, L> {
    /// Lends the two rights of this guard apart. While either is used, the guard is borrowed: the
    /// lock is not released, and nothing is published or retired.
    #[inline]
    pub fn split(&mut self) -> (Holding<'_, L>, Access<'_, L>) {
        // INVARIANT: both lifetimes are that of the exclusive borrow of `self`, which is the one
        // usable guard of L on this thread; one access is made of it.
        (
            Holding { _guard: PhantomData, _brand: Brand::NEW, _thread: NotSendSync::NEW },
            Access { _guard: PhantomData, _brand: Brand::NEW, _thread: NotSendSync::NEW },
        )
    }
}

impl<L: Lock> Access<'_, L> {
    /// Borrows a value, for as long as this right is borrowed.
    #[inline]
    pub fn borrow<'a, T: ?Sized>(&'a self, cell: &'a Guarded<T, L>) -> &'a T {
        // SAFETY: by the invariant this thread holds the lock for 'a, and the guard is not usable
        // during 'a. A mutable borrow of the cell would borrow this right mutably.
        unsafe { &*cell.as_ptr() }
    }

    /// Borrows a value mutably, for as long as this right is borrowed.
    #[inline]
    pub fn borrow_mut<'a, T: ?Sized>(&'a mut self, cell: &'a Guarded<T, L>) -> &'a mut T {
        // SAFETY: by the invariant this thread holds the lock for 'a, the guard is not usable
        // during 'a, and this is its one access, which is borrowed mutably: no other reference that
        // came out of this cell is alive.
        unsafe { &mut *cell.as_ptr() }
    }
}

impl<L: Lock> Clone for Holding<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Lock> Copy for Holding<'_, L> {}

impl<L: Lock> fmt::Debug for Holding<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holding").finish_non_exhaustive()
    }
}

impl<L: Lock> fmt::Debug for Access<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}
