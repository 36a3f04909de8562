//! Publishing an object for the length of a closure.
//!
//! A [`Publication`] that is lost, by `?` or a panic, leaves its object exported for ever. A scope
//! cannot lose it.

use alloc::sync::Arc;

use biglock::{Guard, Lock};

use crate::{AlreadyPublished, Exported, Publication};

impl<T: ?Sized, L: Lock> Exported<T, L> {
    /// Publishes `object` while `f` runs, and retires it on every way out, a panic too. Returns the
    /// result of `f` and the owner's count.
    ///
    /// If `f` panics, the owner's count is dropped with the lock held.
    ///
    /// A test that publishes in a `static` asserts inside a scope: a test that fails then leaves the
    /// place free, and the tests that run after it in the same process do not fail with
    /// [`AlreadyPublished`] too. With a [`Publication`] in hand, one failure becomes many.
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
    /// static CURRENT: Exported<u32, Big> = Exported::new();
    ///
    /// let mut thread = Unlocked::<Big>::attach()?;
    /// let mut guard = thread.lock();
    /// let (seen, object) = CURRENT
    ///     .scope(&mut guard, Arc::new(7), |guard| CURRENT.get(guard).copied())
    ///     .expect("vacant");
    /// assert_eq!((seen, *object), (Some(7), 7));
    /// assert!(CURRENT.get(&guard).is_none());
    /// drop(guard);
    ///
    /// let failed = std::panic::catch_unwind(move || {
    ///     let mut guard = thread.lock();
    ///     CURRENT.scope(&mut guard, Arc::new(8), |guard| {
    ///         assert_eq!(CURRENT.get(guard), Some(&9));
    ///     })
    /// });
    /// assert!(failed.is_err());
    /// let mut thread = Unlocked::<Big>::attach()?;
    /// assert!(CURRENT.get(&thread.lock()).is_none());
    /// # Ok::<(), biglock::AttachError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If an object is published already. The error has the new one, and `f` has not run.
    pub fn scope<R>(
        &'static self,
        guard: &mut Guard<'_, L>,
        object: Arc<T>,
        f: impl FnOnce(&mut Guard<'_, L>) -> R,
    ) -> Result<(R, Arc<T>), AlreadyPublished<T>> {
        let publication = Some(self.publish(guard, object)?);
        let mut scope = Scope { publication, guard };
        let result = f(scope.guard);
        let Some(object) = scope.retire() else {
            unreachable!("a scope retires once");
        };
        Ok((result, object))
    }
}

/// A publication that is retired when this is dropped.
struct Scope<'s, 't, T: ?Sized + 'static, L: Lock> {
    publication: Option<Publication<T, L>>,
    guard: &'s mut Guard<'t, L>,
}

impl<T: ?Sized, L: Lock> Scope<'_, '_, T, L> {
    fn retire(&mut self) -> Option<Arc<T>> {
        self.publication.take().map(|publication| publication.retire(self.guard))
    }
}

impl<T: ?Sized, L: Lock> Drop for Scope<'_, '_, T, L> {
    fn drop(&mut self) {
        drop(self.retire());
    }
}
