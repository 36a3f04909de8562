//! Several guarded values written at once.
//!
//! Two writes at once need two cells that are not one, and the types do not know that. So the
//! compiler refuses a second [`Guarded::borrow_mut`], and [`Guard::borrow_many_mut`] compares the
//! addresses. Values that always change together belong in one [`Guarded`]: that needs no
//! comparison and cannot fail.

use core::fmt;
use core::mem;
use core::ptr;

use crate::{Access, Guard, Guarded, Lock};

/// A set of values under lock `L` that may be borrowed mutably at once for `'a`: an array of
/// `&'a Guarded<T, L>`, or a tuple of two to four of them with types of their own.
///
/// See [`Guard::borrow_many_mut`]. Code outside this crate cannot implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of values under one lock",
    note = "pass an array of `&Guarded<T, L>`, or a tuple of two to four of them, with the lock of \
            the guard"
)]
pub trait Cells<'a, L: Lock>: Sealed<'a, L, Lent = <Self as Cells<'a, L>>::Borrowed> {
    /// The same array or tuple, of `&'a mut T`.
    type Borrowed;
}

/// The part of [`Cells`] that only this crate can name.
pub trait Sealed<'a, L: Lock> {
    /// See [`Cells::Borrowed`].
    type Lent;

    /// Returns the first two cells that are one.
    fn same(&self) -> Option<SameCell>;

    /// Borrows each value mutably.
    ///
    /// # Safety
    ///
    /// The guard of `L` is borrowed exclusively for `'a`, or its one access is, and
    /// [`same`](Sealed::same) returned `None`.
    unsafe fn borrow(self) -> Self::Lent;
}

impl<'a, T: ?Sized, L: Lock, const N: usize> Cells<'a, L> for [&'a Guarded<T, L>; N] {
    type Borrowed = [&'a mut T; N];
}

impl<'a, T: ?Sized, L: Lock, const N: usize> Sealed<'a, L> for [&'a Guarded<T, L>; N] {
    type Lent = [&'a mut T; N];

    #[inline]
    fn same(&self) -> Option<SameCell> {
        first_two(&self.map(Span::of))
    }

    #[inline]
    unsafe fn borrow(self) -> Self::Lent {
        // SAFETY: by the contract no other reference that came out of these cells is alive for 'a
        // but those made here, and no two of the cells share memory.
        self.map(|cell| unsafe { &mut *cell.as_ptr() })
    }
}

macro_rules! tuple {
    ($($cell:ident: $T:ident),+) => {
        impl<'a, L: Lock, $($T: ?Sized),+> Cells<'a, L> for ($(&'a Guarded<$T, L>,)+) {
            type Borrowed = ($(&'a mut $T,)+);
        }

        impl<'a, L: Lock, $($T: ?Sized),+> Sealed<'a, L> for ($(&'a Guarded<$T, L>,)+) {
            type Lent = ($(&'a mut $T,)+);

            #[inline]
            fn same(&self) -> Option<SameCell> {
                let ($($cell,)+) = *self;
                first_two(&[$(Span::of($cell)),+])
            }

            #[inline]
            unsafe fn borrow(self) -> Self::Lent {
                let ($($cell,)+) = self;
                // SAFETY: as for the array.
                ($(unsafe { &mut *$cell.as_ptr() },)+)
            }
        }
    };
}

tuple!(a: A, b: B);
tuple!(a: A, b: B, c: C);
tuple!(a: A, b: B, c: C, d: D);

/// The memory of a cell.
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    #[inline]
    fn of<T: ?Sized, L: Lock>(cell: &Guarded<T, L>) -> Self {
        let start = ptr::from_ref(cell).addr();
        Span { start, end: start.wrapping_add(mem::size_of_val(cell)) }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns whether the two have a byte in common, or are both empty and at one address: such
    /// cells may be one, and one value without a size must not be borrowed mutably twice either.
    #[inline]
    fn meets(&self, other: &Span) -> bool {
        if self.is_empty() || other.is_empty() {
            return self.start == other.start && self.is_empty() && other.is_empty();
        }
        // Compares the last byte, since the end of the last object may be 0.
        self.start <= other.end.wrapping_sub(1) && other.start <= self.end.wrapping_sub(1)
    }
}

#[inline]
fn first_two(spans: &[Span]) -> Option<SameCell> {
    for (second, span) in spans.iter().enumerate() {
        for (first, earlier) in spans[..second].iter().enumerate() {
            if span.meets(earlier) {
                return Some(SameCell { first, second });
            }
        }
    }
    None
}

#[inline]
fn checked<'a, L: Lock, C: Cells<'a, L>>(cells: &C) -> Result<(), SameCell> {
    cells.same().map_or(Ok(()), Err)
}

impl<L: Lock> Guard<'_, L> {
    /// Borrows several values mutably at once, for as long as the guard is borrowed: an array of
    /// `&Guarded<T, L>`, or a tuple of two to four of them.
    ///
    /// It compares the address of each with that of each before it. If two values always change
    /// together, a struct of both in one [`Guarded`] is simpler, and no access to it can fail.
    ///
    /// ```
    /// # use biglock::{Guarded, Lock, StdMutex, Unlocked};
    /// # static MUTEX: StdMutex = StdMutex::new();
    /// # enum Big {}
    /// # impl Lock for Big {
    /// #     type Backend = StdMutex;
    /// #     const LOCK: &'static StdMutex = &MUTEX;
    /// # }
    /// use biglock::SameCell;
    ///
    /// static WAITING: Guarded<Vec<u32>, Big> = Guarded::new(Vec::new());
    /// static DONE: Guarded<u64, Big> = Guarded::new(0);
    ///
    /// let mut thread = Unlocked::<Big>::attach()?;
    /// let mut guard = thread.lock();
    /// let (waiting, done) = guard.borrow_many_mut((&WAITING, &DONE))?;
    /// waiting.extend([1, 2]);
    /// *done += waiting.drain(..).map(u64::from).sum::<u64>();
    /// assert_eq!(*DONE.borrow(&guard), 3);
    ///
    /// let queues = [Guarded::<_, Big>::new(vec![1]), Guarded::new(vec![2])];
    /// let [from, to] = guard.borrow_many_mut([&queues[0], &queues[1]])?;
    /// to.append(from);
    /// let twice = guard.borrow_many_mut([&queues[0], &queues[0]]);
    /// assert_eq!(twice, Err(SameCell { first: 0, second: 1 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SameCell`] if two of them are one.
    #[inline]
    pub fn borrow_many_mut<'a, C: Cells<'a, L>>(
        &'a mut self,
        cells: C,
    ) -> Result<C::Borrowed, SameCell> {
        checked(&cells)?;
        // SAFETY: the guard is borrowed exclusively for 'a, and no two of the cells are one.
        Ok(unsafe { cells.borrow() })
    }
}

impl<L: Lock> Access<'_, L> {
    /// Borrows several values mutably at once, for as long as this right is borrowed: see
    /// [`Guard::borrow_many_mut`].
    ///
    /// # Errors
    ///
    /// [`SameCell`] if two of them are one.
    #[inline]
    pub fn borrow_many_mut<'a, C: Cells<'a, L>>(
        &'a mut self,
        cells: C,
    ) -> Result<C::Borrowed, SameCell> {
        checked(&cells)?;
        // SAFETY: this is the one access, borrowed exclusively for 'a, and no two of the cells are
        // one.
        Ok(unsafe { cells.borrow() })
    }
}

/// The error of [`Guard::borrow_many_mut`]: two of the cells are one. It has their places in the
/// array or tuple, counted from 0.
///
/// Two values without a size at one address count as one, since nothing tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SameCell {
    /// The place of the one that comes first.
    pub first: usize,
    /// The place of the other.
    pub second: usize,
}

impl fmt::Display for SameCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SameCell { first, second } = self;
        write!(f, "guarded values {first} and {second} (counted from 0) are one")
    }
}

impl core::error::Error for SameCell {}
