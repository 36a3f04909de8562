//! The kernel's userfaultfd, as far as asynchronous write-protect tracking needs it.
//!
//! In asynchronous mode nobody waits for faults: a store to a protected page clears the
//! protection and goes on, and [`crate::pagemap`] finds the pages where it did.
//!
//! Structures and constants are those of the kernel's `include/uapi/linux/userfaultfd.h`;
//! what they mean is in its `Documentation/admin-guide/mm/userfaultfd.rst`.

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::fd::{FromRawFd, OwnedFd};

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Updater, ioctl, opcode};
use rustix::mm::{UserfaultfdFlags, userfaultfd};

/// `UFFD_USER_MODE_ONLY`: no privilege is needed. It forbids to let the kernel's own stores
/// wait for a handler; in asynchronous mode they do not wait, and are tracked as all others.
const USER_MODE_ONLY: UserfaultfdFlags = UserfaultfdFlags::from_bits_retain(1);

/// `UFFD_API`.
const API: u64 = 0xaa;

/// `UFFD_FEATURE_WP_HUGETLBFS_SHMEM`, `UFFD_FEATURE_WP_UNPOPULATED`, `UFFD_FEATURE_WP_ASYNC`:
/// the last is Linux 6.7's, and no kernel has it without the others.
const FEATURES: u64 = 1 << 12 | 1 << 13 | 1 << 15;

/// `UFFDIO_REGISTER_MODE_WP`.
const REGISTER_MODE_WP: u64 = 1 << 1;

/// `UFFDIO_WRITEPROTECT_MODE_WP`.
const WRITEPROTECT_MODE_WP: u64 = 1 << 0;

/// `struct uffdio_api`.
#[repr(C)]
struct UffdioApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_range`.
#[repr(C)]
struct UffdioRange {
    start: u64,
    len: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
struct UffdioRegister {
    range: UffdioRange,
    mode: u64,
    ioctls: u64,
}

/// `struct uffdio_writeprotect`.
#[repr(C)]
struct UffdioWriteprotect {
    range: UffdioRange,
    mode: u64,
}

const UFFDIO_API: Opcode = opcode::read_write::<UffdioApi>(0xaa, 0x3f);
const UFFDIO_REGISTER: Opcode = opcode::read_write::<UffdioRegister>(0xaa, 0x00);
/// It says that it reads, and reads nothing.
const UFFDIO_UNREGISTER: Opcode = opcode::read::<UffdioRange>(0xaa, 0x01);
const UFFDIO_WRITEPROTECT: Opcode = opcode::read_write::<UffdioWriteprotect>(0xaa, 0x06);

impl From<&Range<usize>> for UffdioRange {
    fn from(addresses: &Range<usize>) -> Self {
        UffdioRange { start: addresses.start as u64, len: addresses.len() as u64 }
    }
}

/// A userfaultfd in asynchronous write-protect mode. Dropping it ends what it tracks.
///
/// # Invariants
///
/// It was told the features of asynchronous mode, and no other mode is registered through it.
/// So no thread ever waits for this descriptor to be read, and what is done through it
/// changes nothing that a program sees of its memory.
#[derive(Debug)]
pub(crate) struct Userfault {
    descriptor: OwnedFd,
}

impl Userfault {
    /// A descriptor for this process, if the kernel has what it takes and lets us.
    pub(crate) fn open() -> io::Result<Self> {
        // SAFETY: what the descriptor is used for is the rest of this file.
        let descriptor = unsafe { userfaultfd(UserfaultfdFlags::CLOEXEC | USER_MODE_ONLY) };
        let descriptor = descriptor.or_else(|refused| {
            // Where a filter forbids the system call, the device may be there all the same.
            open_device().map_err(|_| io::Error::from(refused))
        })?;
        let mut api = UffdioApi { api: API, features: FEATURES, ioctls: 0 };
        // SAFETY: `UffdioApi` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_API, _>::new(&mut api) };
        // SAFETY: it writes to `api` alone. INVARIANT: the kernel accepts all features or
        // none, and an error ends here.
        unsafe { ioctl(&descriptor, request) }?;
        Ok(Userfault { descriptor })
    }

    /// Begins to track memory. It is not protected yet.
    pub(crate) fn register(&self, addresses: &Range<usize>) -> io::Result<()> {
        let mut argument =
            UffdioRegister { range: addresses.into(), mode: REGISTER_MODE_WP, ioctls: 0 };
        // SAFETY: `UffdioRegister` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_REGISTER, _>::new(&mut argument) };
        // SAFETY: it writes to `argument`, and by the invariant nobody sees it otherwise.
        Ok(unsafe { ioctl(&self.descriptor, request) }?)
    }

    /// Protects all pages of registered memory, those that are not there too.
    pub(crate) fn protect(&self, addresses: &Range<usize>) -> io::Result<()> {
        let mut argument =
            UffdioWriteprotect { range: addresses.into(), mode: WRITEPROTECT_MODE_WP };
        // SAFETY: `UffdioWriteprotect` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_WRITEPROTECT, _>::new(&mut argument) };
        // SAFETY: it reads `argument`, and by the invariant nobody sees it otherwise.
        Ok(unsafe { ioctl(&self.descriptor, request) }?)
    }

    /// Ends to track memory, and takes protection away.
    pub(crate) fn unregister(&self, addresses: &Range<usize>) -> io::Result<()> {
        let mut range = UffdioRange::from(addresses);
        // SAFETY: `UffdioRange` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_UNREGISTER, _>::new(&mut range) };
        // SAFETY: it reads `range`, and memory that is not protected is as any other.
        Ok(unsafe { ioctl(&self.descriptor, request) }?)
    }
}

/// `USERFAULTFD_IOC_NEW`, which answers with a descriptor.
struct NewUserfault;

// SAFETY: the request has no argument but flags, which stand in for the pointer.
unsafe impl Ioctl for NewUserfault {
    type Output = OwnedFd;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::none(0xaa, 0x00)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        let flags = UserfaultfdFlags::CLOEXEC | USER_MODE_ONLY;
        std::ptr::without_provenance_mut(flags.bits() as usize)
    }

    unsafe fn output_from_ptr(
        descriptor: IoctlOutput,
        _flags: *mut c_void,
    ) -> rustix::io::Result<OwnedFd> {
        // SAFETY: the kernel has just made it, and gave it to nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }
}

fn open_device() -> io::Result<OwnedFd> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/userfaultfd")?;
    // SAFETY: what the descriptor is used for is the rest of this file.
    Ok(unsafe { ioctl(&device, NewUserfault) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_gives_what_the_system_call_gives() {
        match open_device() {
            Ok(_) => {}
            Err(error) => println!("SKIPPED: /dev/userfaultfd cannot be used: {error}"),
        }
    }
}
