//! Which types `catch_unwind` takes without an `AssertUnwindSafe`.
//!
//! A place is empty or has its object whole at every point where a panic can leave it: what writes
//! to the slot cannot panic halfway. So a place and the right to empty it are as unwind safe as an
//! `Arc` of the object. An object with guarded data inside is not, since a panic may leave that
//! data half written and nothing is poisoned.
//!
//! The compiler would decide by the cell around the slot. The traits are safe to implement: they
//! warn, and soundness does not depend on them.

use core::panic::{RefUnwindSafe, UnwindSafe};

use biglock::Lock;

use crate::{Exported, Publication};

impl<T: ?Sized + RefUnwindSafe, L: Lock> UnwindSafe for Exported<T, L> {}
impl<T: ?Sized + RefUnwindSafe, L: Lock> RefUnwindSafe for Exported<T, L> {}
impl<T: ?Sized + RefUnwindSafe, L: Lock> UnwindSafe for Publication<T, L> {}
impl<T: ?Sized + RefUnwindSafe, L: Lock> RefUnwindSafe for Publication<T, L> {}
