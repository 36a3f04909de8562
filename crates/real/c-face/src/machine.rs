//! A machine to migrate: QEMU's `-M none` with one block of RAM.

use std::ffi::{CStr, OsStr, c_char};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::Arc;

use machine::{NoVm, Ram};
use migration::{Host, RunState};

use crate::boundary::entry;
use crate::error::{Error, Failure, tell, text};

/// A machine that does not belong to a migration object yet.
#[derive(Debug)]
pub struct Machine(pub(crate) Host);

fn open(file: Option<&CStr>, bytes: usize) -> Result<Ram, String> {
    let Some(path) = file else {
        return Ram::anonymous(bytes).map_err(|error| error.to_string());
    };
    let path = OsStr::from_bytes(path.to_bytes());
    let of_file = |error: std::io::Error| format!("RAM file {}: {error}", path.display());
    let file = File::options().read(true).write(true).open(path).map_err(of_file)?;
    let found = file.metadata().map_err(of_file)?.len();
    if found != bytes as u64 {
        return Err(format!("RAM file {}: it has {found} bytes, not {bytes}", path.display()));
    }
    Ram::shared(&file).map_err(of_file)
}

fn none(file: Option<&CStr>, bytes: usize, state: RunState) -> Result<Host, Failure> {
    let ram = open(file, bytes).map_err(|text| Failure { errno: libc::EIO, text })?;
    machine::machine_none(NoVm::new(state), Arc::new(ram))
        .map_err(|error| Failure::new(libc::EINVAL, &error))
}

/// Makes a machine, or reports the error and returns null.
///
/// # Safety
///
/// Both pointers are as the header says.
unsafe fn make(
    function: &str,
    ram_file: *const c_char,
    bytes: usize,
    state: RunState,
    errp: *mut *mut Error,
) -> *mut Machine {
    let file = (!ram_file.is_null())
        // SAFETY: a text, as the header says.
        .then(|| unsafe { text(function, ram_file) });
    match none(file, bytes, state) {
        Ok(host) => Box::into_raw(Box::new(Machine(host))),
        Err(failure) => {
            // SAFETY: as the header says.
            let _errno = unsafe { tell(function, Err(failure), errp) };
            ptr::null_mut()
        }
    }
}

/// Makes a machine without processors, with `bytes` bytes of RAM, a whole number of 4096-byte
/// pages. The RAM is the file `ram_file`, mapped shared, which must have that size; or, if it is
/// NULL, anonymous memory. Returns NULL on failure, with the reason in `*errp`. Pass the machine to
/// `migration_object_init` or free it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_machine_none(
    ram_file: *const c_char,
    bytes: usize,
    errp: *mut *mut Error,
) -> *mut Machine {
    const FUNCTION: &str = "lastref_machine_none";
    // SAFETY: as the header says.
    entry(FUNCTION, || unsafe { make(FUNCTION, ram_file, bytes, RunState::Prelaunch, errp) })
}

/// Makes a machine like `lastref_machine_none`, but one that waits for a migration (`-incoming
/// defer`). `lastref_migrate_incoming` needs such a machine, and it cannot be sent before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_machine_none_incoming(
    ram_file: *const c_char,
    bytes: usize,
    errp: *mut *mut Error,
) -> *mut Machine {
    const FUNCTION: &str = "lastref_machine_none_incoming";
    // SAFETY: as the header says.
    entry(FUNCTION, || unsafe { make(FUNCTION, ram_file, bytes, RunState::InMigrate, errp) })
}

/// Frees a machine that no migration object was made of; does nothing with NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_machine_free(machine: *mut Machine) {
    entry("lastref_machine_free", || {
        if !machine.is_null() {
            // SAFETY: it came from `lastref_machine_none`, and the caller gives it up.
            drop(unsafe { Box::from_raw(machine) });
        }
    });
}
