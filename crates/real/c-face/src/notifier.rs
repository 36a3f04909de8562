//! Notifiers of C: `migration_add_notifier` and its kin.

use std::ffi::{c_int, c_uint};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bql::BqlGuard;
use migration::MigModes;

use crate::boundary::die;
use crate::error::Error;
use crate::lock::{call_out, with_bql};

/// A notifier of the C program, which owns it. It must not move while it is added, and may be a
/// part of a larger struct that the function finds from its address.
#[repr(C)]
#[derive(Debug)]
pub struct Notifier {
    /// The library's part. NULL before the notifier is added and after it is removed.
    pub registration: *mut Registration,
}

/// The library's part of a notifier that was added.
#[derive(Debug)]
pub struct Registration {
    added: Arc<AtomicBool>,
    _notifier: migration::Notifier,
}

/// An event of a migration.
#[expect(clippy::enum_variant_names, reason = "they are QEMU's")]
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigEvent {
    /// The migration starts; a notifier may refuse it.
    PrecopySetup,
    /// The machine has moved.
    PrecopyDone,
    /// The migration failed or was cancelled. The machine stays here; if it may run at the
    /// destination, it stays stopped here.
    PrecopyFailed,
}

/// The argument of a notifier's function, valid during the call.
#[repr(C)]
#[derive(Debug)]
pub struct MigrationEvent {
    /// The event.
    pub r#type: MigEvent,
}

/// A notifier's function, called with the lock held on the thread that migrates. It may call
/// every function that needs the lock, and may release the lock if it takes it again. It returns 0.
/// At SETUP alone it may return another value, with an error in `*errp`, which ends the migration.
pub type MigrationNotifyFunc = Option<
    unsafe extern "C" fn(
        notify: *mut Notifier,
        event: *mut MigrationEvent,
        errp: *mut *mut Error,
    ) -> c_int,
>;

type Function = unsafe extern "C" fn(*mut Notifier, *mut MigrationEvent, *mut *mut Error) -> c_int;

/// A function of C and the address it gets.
struct Notify {
    function: Function,
    notify: *mut Notifier,
    /// False once C removed it; changed and read with the lock held.
    added: Arc<AtomicBool>,
}

// SAFETY: Rust never dereferences the address. It passes it to the C function on the thread that
// migrates, with the lock held, as the header says.
unsafe impl Send for Notify {}
// SAFETY: as above; nothing else in it is not `Sync`.
unsafe impl Sync for Notify {}

impl Notify {
    fn call(&self, bql: &mut BqlGuard<'_>, event: migration::MigrationEvent) -> Result<(), String> {
        const FUNCTION: &str = "migration_add_notifier";
        let kind = match event {
            migration::MigrationEvent::PrecopySetup => MigEvent::PrecopySetup,
            migration::MigrationEvent::PrecopyDone => MigEvent::PrecopyDone,
            migration::MigrationEvent::PrecopyFailed => MigEvent::PrecopyFailed,
        };
        let (mut event, mut error) = (MigrationEvent { r#type: kind }, ptr::null_mut());
        let answer = call_out(FUNCTION, bql, || {
            // Another thread may have removed it before the lock was taken for this call.
            if !self.added.load(Ordering::Relaxed) {
                return 0;
            }
            // SAFETY: C added the function for this use, and keeps the notifier where it is
            // until it removes it, which needs the lock. The other two live here.
            unsafe { (self.function)(self.notify, &raw mut event, &raw mut error) }
        });
        // SAFETY: the function left it null, or put an error there for its caller.
        let error = unsafe { Error::take(error) };
        if answer == 0 {
            return Ok(());
        }
        if kind != MigEvent::PrecopySetup {
            die(FUNCTION, "a notifier refused an event other than SETUP, which it may not");
        }
        Err(error.map_or_else(|| format!("a notifier returned {answer}"), |error| error.text()))
    }
}

/// Returns the modes of a set of bits; `None` if a bit is not a mode, or there are none.
pub(crate) fn modes(bits: c_uint) -> Option<MigModes> {
    use migration::MigMode::{CprExec, CprReboot, CprTransfer, Normal};
    let all = [Normal, CprReboot, CprTransfer, CprExec];
    let known = all.iter().fold(0, |bits, mode| bits | 1 << *mode as c_uint);
    let chosen = all.into_iter().filter(|mode| bits & 1 << *mode as c_uint != 0);
    chosen.map(MigModes::from).reduce(|a, b| a | b).filter(|_| bits & !known == 0)
}

/// Adds a notifier for the modes of `bits`.
///
/// # Safety
///
/// `notify` is null or as the header says, and `function` is a function for it.
unsafe fn add(
    name: &str,
    notify: *mut Notifier,
    function: MigrationNotifyFunc,
    bits: impl FnOnce() -> Option<c_uint>,
) {
    with_bql(name, |bql| {
        // SAFETY: null or good, and only used with the lock held.
        let (Some(place), Some(function)) = (unsafe { notify.as_mut() }, function) else {
            die(name, "the notifier or its function is NULL");
        };
        if !place.registration.is_null() {
            die(name, "the notifier is added already, or was not NULL before");
        }
        let Some(modes) = bits().and_then(modes) else {
            die(name, "there is no such mode");
        };
        let added = Arc::new(AtomicBool::new(true));
        let call = Notify { function, notify, added: Arc::clone(&added) };
        let notifier =
            migration::add_notifier_modes(bql, modes, move |bql, event| call.call(bql, event));
        place.registration = Box::into_raw(Box::new(Registration { added, _notifier: notifier }));
    });
}

/// Calls `func` at each event of each migration of mode normal. It may be called before there is a
/// migration object. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migration_add_notifier(notify: *mut Notifier, func: MigrationNotifyFunc) {
    // SAFETY: as the header says.
    unsafe { add("migration_add_notifier", notify, func, || Some(1)) }
}

/// Calls `func` like `migration_add_notifier`, for migrations of one `mode`, an enum
/// LastrefMigMode. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migration_add_notifier_mode(
    notify: *mut Notifier,
    func: MigrationNotifyFunc,
    mode: c_uint,
) {
    // SAFETY: as the header says.
    unsafe { add("migration_add_notifier_mode", notify, func, || (1 as c_uint).checked_shl(mode)) }
}

/// Calls `func` like `migration_add_notifier`, for migrations of the given `modes`, the bits
/// 1 << mode. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migration_add_notifier_modes(
    notify: *mut Notifier,
    func: MigrationNotifyFunc,
    modes: c_uint,
) {
    // SAFETY: as the header says.
    unsafe { add("migration_add_notifier_modes", notify, func, || Some(modes)) }
}

/// Removes a notifier, at any time and also from its own function; does nothing if it is not added.
/// After it returns the function is not called again. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migration_remove_notifier(notify: *mut Notifier) {
    const FUNCTION: &str = "migration_remove_notifier";
    with_bql(FUNCTION, |_| {
        // SAFETY: null or good, and only used with the lock held.
        let Some(place) = (unsafe { notify.as_mut() }) else {
            die(FUNCTION, "the notifier is NULL");
        };
        let registration = std::mem::replace(&mut place.registration, ptr::null_mut());
        if !registration.is_null() {
            // SAFETY: not null, so `add` put it there, and it was taken out just now.
            let registration = unsafe { Box::from_raw(registration) };
            registration.added.store(false, Ordering::Relaxed);
        }
    });
}

// With the feature the lock functions are a C program's, and a test of this file has none.
#[cfg(all(test, not(feature = "c-lock")))]
mod tests {
    use bql::BqlUnlocked;

    use super::*;

    unsafe extern "C" fn called(
        _notify: *mut Notifier,
        _event: *mut MigrationEvent,
        _errp: *mut *mut Error,
    ) -> c_int {
        7
    }

    #[test]
    fn a_notifier_that_was_removed_while_the_lock_was_let_go_is_not_called() {
        let mut thread = BqlUnlocked::attach().expect("first attach of this thread");
        let mut bql = thread.lock();
        let added = Arc::new(AtomicBool::new(true));
        let notify =
            Notify { function: called, notify: ptr::null_mut(), added: Arc::clone(&added) };
        let setup = migration::MigrationEvent::PrecopySetup;
        assert_eq!(notify.call(&mut bql, setup), Err("a notifier returned 7".into()));
        added.store(false, Ordering::Relaxed);
        assert_eq!(notify.call(&mut bql, setup), Ok(()));
    }
}
