//! What publishing returns while the place is taken.

use alloc::sync::Arc;
use core::fmt;

/// The error of [`publish`](crate::Exported::publish) while an object is published. It has the new one.
///
/// ```
/// # use biglock::{Lock, StdMutex, Unlocked};
/// # use exported::{AlreadyPublished, Exported};
/// # use std::sync::Arc;
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// # static CURRENT: Exported<u32, Big> = Exported::new();
/// # let mut thread = Unlocked::<Big>::attach()?;
/// # let mut guard = thread.lock();
/// let first = CURRENT.publish(&mut guard, Arc::new(1)).expect("vacant");
/// let Err(AlreadyPublished(second)) = CURRENT.publish(&mut guard, Arc::new(2)) else {
///     panic!("the place is taken");
/// };
/// assert_eq!(*second, 2);
/// # drop(first.retire(&mut guard));
/// # Ok::<(), biglock::AttachError>(())
/// ```
pub struct AlreadyPublished<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> fmt::Display for AlreadyPublished<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object is published already: retire it first")
    }
}

impl<T: ?Sized> fmt::Debug for AlreadyPublished<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlreadyPublished ({self})")
    }
}

impl<T: ?Sized> core::error::Error for AlreadyPublished<T> {}
