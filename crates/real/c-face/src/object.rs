//! The migration object: `migration_object_init` and `migration_shutdown`.

use std::cell::RefCell;
use std::ffi::c_int;

use migration::{InitError, MigrationObject};

use crate::boundary::die;
use crate::error::{Error, Failure, tell};
use crate::lock::with_bql;
use crate::machine::Machine;

thread_local! {
    /// The right to shut down the object that this thread made. If the thread ends without using
    /// it, the object stays for ever.
    static MADE_HERE: RefCell<Option<MigrationObject>> = const { RefCell::new(None) };
}

/// Makes the migration object of `machine`, and takes the machine over even if it fails. Returns 0,
/// or a negative errno with the reason in `*errp`: -EEXIST if there is an object already. Needs the
/// lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migration_object_init(
    machine: *mut Machine,
    errp: *mut *mut Error,
) -> c_int {
    const FUNCTION: &str = "migration_object_init";
    let result = with_bql(FUNCTION, |bql| {
        if machine.is_null() {
            die(FUNCTION, "the machine is NULL");
        }
        // SAFETY: it came from `lastref_machine_none`, and the caller gives it up.
        let machine = unsafe { Box::from_raw(machine) };
        match migration::object_init(bql, machine.0) {
            Ok(object) => {
                MADE_HERE.set(Some(object));
                Ok(())
            }
            Err(error @ InitError::Exists) => Err(Failure::new(libc::EEXIST, &error)),
            Err(error) => Err(Failure::new(libc::EMFILE, &error)),
        }
    });
    // SAFETY: as the header says.
    unsafe { tell(FUNCTION, result, errp) }
}

/// Retires the migration object and cancels its migrations. Does not wait, and does nothing without
/// an object. Needs the lock, on the thread that made the object.
#[unsafe(no_mangle)]
pub extern "C" fn migration_shutdown() {
    const FUNCTION: &str = "migration_shutdown";
    with_bql(FUNCTION, |bql| {
        if let Some(object) = MADE_HERE.take() {
            drop(migration::shutdown(object, bql));
        } else if migration::life(bql).is_some() {
            die(FUNCTION, "another thread made the migration object, and only that may do this");
        }
    });
}
