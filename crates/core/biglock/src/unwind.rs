//! Which types `catch_unwind` takes without an `AssertUnwindSafe`.
//!
//! A type is unwind safe if a panic cannot leave it, or what it gives access to, in a state that
//! its users do not expect. Here that is so for the types without access to guarded data. A
//! [`Guard`](crate::Guard), an [`Access`](crate::Access) and a [`Guarded`](crate::Guarded) value
//! are left out on purpose: a panic may leave guarded data half written, and nothing is poisoned.
//!
//! The compiler would decide by the fields, and so by the backend. The traits are safe to
//! implement: they warn, and soundness does not depend on them.

use core::panic::{RefUnwindSafe, UnwindSafe};

use crate::{Condvar, Holding, Lock, Unlocked, Wait};

// A guard that a panic drops releases the lock and tells the token, and one that it leaks is
// adopted by the next `lock`. There is no `RefUnwindSafe`: `&Unlocked` can do nothing, and a guard,
// which borrows a token, would take it over.
impl<L: Lock> UnwindSafe for Unlocked<L> {}

// It says that the lock is held, which a panic does not change: what releases the lock on unwinding
// is the guard, and that is borrowed. What it finds in an export is judged by the export's type.
impl<L: Lock> UnwindSafe for Holding<'_, L> {}
impl<L: Lock> RefUnwindSafe for Holding<'_, L> {}

// Its state is the queue of its backend, and a wait that unwinds has taken the lock again.
impl<L: Lock<Backend: Wait>> UnwindSafe for Condvar<L> {}
impl<L: Lock<Backend: Wait>> RefUnwindSafe for Condvar<L> {}
