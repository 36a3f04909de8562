//! The `Error *` of C: a text that its one owner frees.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use migration::{Blocker, CommandError, MigrationError, error_chain};

use crate::boundary::{die, entry};

/// A text, made by this library or by `lastref_error_new`. The owner of the pointer frees it.
#[derive(Debug)]
pub struct Error {
    text: CString,
    /// The blocker, if this is the reason of one. It blocks for as long as it lives.
    pub(crate) blocker: Option<Blocker>,
}

impl Error {
    fn new(text: CString) -> *mut Self {
        Box::into_raw(Box::new(Error { text, blocker: None }))
    }

    pub(crate) fn of_text(text: &str) -> *mut Self {
        // A C text ends at its first NUL.
        let bytes = text.bytes().take_while(|byte| *byte != 0).collect::<Vec<_>>();
        Self::new(CString::new(bytes).unwrap_or_default())
    }

    pub(crate) fn text(&self) -> String {
        self.text.to_string_lossy().into_owned()
    }

    /// Takes an error over from C; `None` if there is none.
    ///
    /// # Safety
    ///
    /// It is null or came from this library, and C gives it up.
    pub(crate) unsafe fn take(error: *mut Self) -> Option<Box<Self>> {
        // SAFETY: every error of this library is a box whose pointer was given to C, and C
        // gives it up, by the caller's promise.
        (!error.is_null()).then(|| unsafe { Box::from_raw(error) })
    }
}

/// A failure in the form that C gets: an `errno` and a text.
pub(crate) struct Failure {
    pub(crate) errno: c_int,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(errno: c_int, error: &(dyn std::error::Error + 'static)) -> Self {
        Failure { errno, text: error_chain(error) }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let errno = match &error {
            CommandError::NoObject => libc::ENODEV,
            CommandError::Busy { .. }
            | CommandError::Refused(
                MigrationError::Busy { .. } | MigrationError::Possessed { .. },
            ) => libc::EBUSY,
            CommandError::OnlyMigratable(_) => libc::EACCES,
            CommandError::Refused(
                MigrationError::Blocked { .. }
                | MigrationError::KeptStopped
                | MigrationError::NothingKept
                | MigrationError::NotHere { .. }
                | MigrationError::NotWaiting { .. },
            ) => libc::EPERM,
            CommandError::Parameter(_) => libc::EINVAL,
            CommandError::Refused(_) => libc::EIO,
        };
        Failure::new(errno, &error)
    }
}

/// Reports a result to C: returns 0, or a negative `errno` with an error in `*errp` if `errp` is
/// not null.
///
/// # Safety
///
/// `errp` is null or points to a pointer that may be read and written.
pub(crate) unsafe fn tell(
    function: &str,
    result: Result<(), Failure>,
    errp: *mut *mut Error,
) -> c_int {
    let Err(failure) = result else { return 0 };
    if !errp.is_null() {
        // SAFETY: not null, so good by the caller's promise.
        let errp = unsafe { &mut *errp };
        if !errp.is_null() {
            die(function, "errp points to an error already; set it to NULL first");
        }
        *errp = Error::of_text(&failure.text);
    }
    -failure.errno
}

/// Borrows a text of C, and aborts the process if it is null.
///
/// # Safety
///
/// It is null or a text that ends in NUL and does not change during 'a.
pub(crate) unsafe fn text<'a>(function: &str, text: *const c_char) -> &'a CStr {
    if text.is_null() {
        die(function, "the text is NULL");
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }
}

/// Makes an error with a copy of `message`. Free it with `lastref_error_free`, or pass it to a
/// function that takes it over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_error_new(message: *const c_char) -> *mut Error {
    entry("lastref_error_new", || {
        // SAFETY: a text, as the header says.
        let message = unsafe { text("lastref_error_new", message) };
        Error::new(message.to_owned())
    })
}

/// Returns the text of `error`, which lives as long as the error; NULL if `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_error_message(error: *const Error) -> *const c_char {
    entry("lastref_error_message", || {
        // SAFETY: null or an error of this library that its owner did not free.
        let error = unsafe { error.as_ref() };
        error.map_or(ptr::null(), |error| error.text.as_ptr())
    })
}

/// Frees `error`; does nothing with NULL. A reason that was added as a blocker no longer blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_error_free(error: *mut Error) {
    // SAFETY: null or an error of this library, and the caller gives it up.
    entry("lastref_error_free", || drop(unsafe { Error::take(error) }));
}
