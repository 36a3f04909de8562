//! The backend for programs without an operating system.

use core::cell::Cell;
use core::fmt;
use core::hint;

use ::critical_section::{self as cs, Mutex};

use crate::attached::Attached;
use crate::{AttachError, Backend, FromTokens, TryLock};

/// A lock that is taken and released in a critical section, and held outside of one: interrupts stay
/// enabled while a guard lives. It needs no atomic exchange.
///
/// A guard is no critical section itself. Critical sections end in the reverse order in which they
/// began, and a guard, which is a value, ends where it is dropped.
///
/// Do not wait for the lock inside a critical section: the thread that holds it needs one to release
/// it. [`try_lock`](crate::Unlocked::try_lock) is fine there.
///
/// `A` says who is a thread here. In a program with [`OneToken`](crate::attached::OneToken) only
/// who attached first has a token, the main program say, and interrupt handlers get none. With
/// [`ByNumber`](crate::attached::ByNumber) each handler has a token of its own while it runs. It
/// calls [`try_lock`](crate::Unlocked::try_lock): `lock` would wait for ever for what the handler
/// interrupted, unless that runs on another core.
///
/// ```
/// use biglock::attached::OneToken;
/// use biglock::{AttachError, CriticalSection, Guarded, Lock, Unlocked};
///
/// static SECTION: CriticalSection<OneToken> = CriticalSection::new();
/// enum Big {}
/// impl Lock for Big {
///     type Backend = CriticalSection<OneToken>;
///     const LOCK: &'static Self::Backend = &SECTION;
/// }
/// static TICKS: Guarded<u32, Big> = Guarded::new(0);
///
/// fn main() {
///     let mut thread = Unlocked::<Big>::attach().expect("the first");
///     *TICKS.borrow_mut(&mut thread.lock()) += 1;
///     assert_eq!(Unlocked::<Big>::attach().err(), Some(AttachError::AlreadyAttached));
/// }
/// ```
pub struct CriticalSection<A> {
    held: Mutex<Cell<bool>>,
    attached: A,
}

impl<A: Attached> CriticalSection<A> {
    /// Creates a lock that no thread holds.
    pub const fn new() -> Self {
        CriticalSection { held: Mutex::new(Cell::new(false)), attached: A::NONE }
    }
}

impl<A: Attached> Default for CriticalSection<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> fmt::Debug for CriticalSection<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CriticalSection").finish_non_exhaustive()
    }
}

/// The held lock. Dropping it releases the lock.
#[derive(Debug)]
pub struct Held(&'static Mutex<Cell<bool>>);

impl Drop for Held {
    fn drop(&mut self) {
        cs::with(|section| self.0.borrow(section).set(false));
    }
}

// SAFETY: 1: `held` is set by one thread at a time and only where it was not. 2: a critical section
// that ended happens before one that begins later. 3: nothing here unwinds. 4: that of `attached`.
unsafe impl<A: Attached> Backend for CriticalSection<A> {
    type Held = Held;

    fn lock(&'static self, from: FromTokens) -> Held {
        loop {
            if let Some(held) = self.try_lock(from) {
                return held;
            }
            hint::spin_loop();
        }
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        self.attached.attach()
    }

    fn detach(&'static self, _: FromTokens) {
        self.attached.detach();
    }
}

// SAFETY: as `lock`, which calls it.
unsafe impl<A: Attached> TryLock for CriticalSection<A> {
    fn try_lock(&'static self, _: FromTokens) -> Option<Held> {
        let was_held = cs::with(|section| self.held.borrow(section).replace(true));
        (!was_held).then(|| Held(&self.held))
    }
}
