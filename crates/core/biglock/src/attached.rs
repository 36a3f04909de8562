//! Which threads have their token of a lock: what a backend asks when a thread attaches.
//!
//! A thread has one token of a lock, so a backend must know a thread again. With `std` it has a
//! thread-local variable ([`ByThreadLocal`]); without, the threads have numbers ([`ByNumber`]), or
//! there is one thread ([`OneToken`]).

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::AttachError;

/// The threads that are attached to a lock.
///
/// # Safety
///
/// After `attach` succeeded on a thread it fails on that thread until `detach`, with the same
/// `self`. The type has interior mutability, so that a constant of it is no two values. Neither
/// function unwinds.
pub unsafe trait Attached: Sync + 'static {
    /// No thread is attached.
    const NONE: Self;

    /// Notes that the calling thread has its token now.
    ///
    /// # Errors
    ///
    /// If the thread has a token already, or cannot get one.
    fn attach(&'static self) -> Result<(), AttachError>;

    /// Notes that the calling thread has given its token back.
    fn detach(&'static self);
}

#[cfg(feature = "std")]
pub use by_thread_local::ByThreadLocal;

#[cfg(feature = "std")]
mod by_thread_local {
    use core::cell::RefCell;
    use core::sync::atomic::AtomicU8;
    use std::thread_local;
    use std::vec::Vec;

    use super::{AttachError, Attached};

    /// Each thread remembers the locks that it is attached to.
    ///
    /// A thread that was attached cannot attach again once its thread-local variables are destroyed.
    /// One that never was may still attach then, for the rest of its exit.
    #[derive(Debug)]
    pub struct ByThreadLocal {
        /// Gives the value an address that no other has, and keeps it from being a constant, which
        /// may have several.
        _byte: AtomicU8,
    }

    impl ByThreadLocal {
        fn address(&'static self) -> usize {
            core::ptr::from_ref(self).addr()
        }
    }

    thread_local! {
        /// Addresses of what this thread is attached to. They are `'static`, so an address is never
        /// used again.
        static ATTACHED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    // SAFETY: `ATTACHED` has the address from `attach` to `detach`. Its one borrow ends in the call.
    unsafe impl Attached for ByThreadLocal {
        const NONE: Self = ByThreadLocal { _byte: AtomicU8::new(0) };

        fn attach(&'static self) -> Result<(), AttachError> {
            ATTACHED
                .try_with(|attached| {
                    let mut attached = attached.borrow_mut();
                    if attached.contains(&self.address()) {
                        return Err(AttachError::AlreadyAttached);
                    }
                    attached.push(self.address());
                    Ok(())
                })
                .unwrap_or(Err(AttachError::ThreadExiting))
        }

        fn detach(&'static self) {
            // Fails only while the thread exits, when it cannot attach again either.
            let _ = ATTACHED.try_with(|attached| {
                attached.borrow_mut().retain(|lock| *lock != self.address());
            });
        }
    }
}

/// One token for all: a second `attach` fails on every thread until the first token is dropped.
///
/// It is for a program without threads. On a target without an atomic exchange it needs the feature
/// `critical-section`.
#[derive(Debug)]
#[cfg(any(feature = "critical-section", target_has_atomic = "8"))]
pub struct OneToken {
    out: AtomicBool,
}

#[cfg(any(feature = "critical-section", target_has_atomic = "8"))]
impl OneToken {
    /// Marks the token as given out, and returns whether it was.
    #[cfg(target_has_atomic = "8")]
    fn take(&self) -> bool {
        self.out.swap(true, Ordering::Acquire)
    }

    #[cfg(all(feature = "critical-section", not(target_has_atomic = "8")))]
    fn take(&self) -> bool {
        critical_section::with(|_| {
            let out = self.out.load(Ordering::Acquire);
            self.out.store(true, Ordering::Relaxed);
            out
        })
    }
}

// SAFETY: `take` finds `false` once for each store of it, on whatever thread.
#[cfg(any(feature = "critical-section", target_has_atomic = "8"))]
unsafe impl Attached for OneToken {
    const NONE: Self = OneToken { out: AtomicBool::new(false) };

    fn attach(&'static self) -> Result<(), AttachError> {
        if self.take() { Err(AttachError::AlreadyAttached) } else { Ok(()) }
    }

    fn detach(&'static self) {
        self.out.store(false, Ordering::Release);
    }
}

/// Numbers for the threads of a program, from 0.
///
/// A *thread* is whatever runs on a stack of its own or interrupts one: a thread of a kernel, a CPU,
/// an interrupt handler.
///
/// # Safety
///
/// While a thread lives, `current` returns the same number on it and on no other, and does not
/// unwind. If a number is used again, what its last thread did happens before.
pub unsafe trait ThreadNumber: 'static {
    /// Returns the number of the calling thread.
    fn current() -> usize;
}

/// A place for each of the threads 0 to `N - 1`, as [`ThreadNumber`] counts them. It needs no
/// thread-local variables and no atomic exchange.
///
/// ```
/// # // The other half of this example needs a lock: see `critical_section`.
/// use biglock::attached::ThreadNumber;
/// # fn exception_number() -> u16 { 0 }
///
/// /// On a Cortex-M with one core: 0 for the main program, then the exceptions.
/// struct Exception;
///
/// // SAFETY: an exception interrupts others than itself only, and ends before it comes again.
/// unsafe impl ThreadNumber for Exception {
///     fn current() -> usize {
///         usize::from(exception_number()) // of the register IPSR
///     }
/// }
/// # assert_eq!(Exception::current(), 0);
/// ```
pub struct ByNumber<I, const N: usize> {
    /// Each place is used by the thread of its number only.
    places: [AtomicBool; N],
    _numbers: PhantomData<fn() -> I>,
}

impl<I, const N: usize> fmt::Debug for ByNumber<I, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByNumber").finish_non_exhaustive()
    }
}

// SAFETY: a place is `true` from `attach` to `detach` of the one thread with its number.
unsafe impl<I: ThreadNumber, const N: usize> Attached for ByNumber<I, N> {
    const NONE: Self =
        ByNumber { places: [const { AtomicBool::new(false) }; N], _numbers: PhantomData };

    fn attach(&'static self) -> Result<(), AttachError> {
        let place = self.places.get(I::current()).ok_or(AttachError::NoPlace)?;
        if place.load(Ordering::Relaxed) {
            return Err(AttachError::AlreadyAttached);
        }
        place.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn detach(&'static self) {
        if let Some(place) = self.places.get(I::current()) {
            place.store(false, Ordering::Relaxed);
        }
    }
}
