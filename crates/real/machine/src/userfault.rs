//! The part of the kernel's userfaultfd that asynchronous write-protect tracking needs.
//!
//! In asynchronous mode no thread handles faults: a store to a protected page clears the protection
//! and continues, and [`crate::pagemap`] finds the pages where that happened.
//!
//! Structures and constants are those of the kernel's `include/uapi/linux/userfaultfd.h`. Its
//! `Documentation/admin-guide/mm/userfaultfd.rst` explains them.

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::fd::{FromRawFd, OwnedFd};

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Updater, ioctl, opcode};
use rustix::mm::{UserfaultfdFlags, userfaultfd};

/// `UFFD_USER_MODE_ONLY`: needs no privilege. With it the kernel's own stores cannot wait for a
/// handler; in asynchronous mode they do not wait, and are tracked like all others.
const USER_MODE_ONLY: UserfaultfdFlags = UserfaultfdFlags::from_bits_retain(1);

/// `UFFD_API`.
const API: u64 = 0xaa;

/// `UFFD_FEATURE_WP_HUGETLBFS_SHMEM`, `UFFD_FEATURE_WP_UNPOPULATED`, `UFFD_FEATURE_WP_ASYNC`: the
/// last is new in Linux 6.7, and no kernel has it without the others.
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
/// Its number is that of a request that reads, but it reads nothing.
const UFFDIO_UNREGISTER: Opcode = opcode::read::<UffdioRange>(0xaa, 0x01);
const UFFDIO_WRITEPROTECT: Opcode = opcode::read_write::<UffdioWriteprotect>(0xaa, 0x06);

impl From<&Range<usize>> for UffdioRange {
    fn from(addresses: &Range<usize>) -> Self {
        UffdioRange { start: addresses.start as u64, len: addresses.len() as u64 }
    }
}

/// A userfaultfd in asynchronous write-protect mode. Dropping it ends its tracking.
///
/// # Invariants
///
/// The features of asynchronous mode are enabled on it, and no other mode is registered through it.
/// So no thread ever waits for this descriptor to be read, and no request through it changes what a
/// program sees of its memory.
#[derive(Debug)]
pub(crate) struct Userfault {
    descriptor: OwnedFd,
}

impl Userfault {
    /// Opens a descriptor for this process, if the kernel has the features and permits it.
    pub(crate) fn open() -> io::Result<Self> {
        // SAFETY: only the rest of this file uses the descriptor.
        let descriptor = unsafe { userfaultfd(UserfaultfdFlags::CLOEXEC | USER_MODE_ONLY) };
        let descriptor = descriptor.or_else(|refused| {
            // Even if a filter forbids the system call, the device may work.
            open_device().map_err(|_| io::Error::from(refused))
        })?;
        let mut api = UffdioApi { api: API, features: FEATURES, ioctls: 0 };
        // SAFETY: `UffdioApi` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_API, _>::new(&mut api) };
        // SAFETY: it writes to `api` alone. INVARIANT: the kernel accepts all features or
        // none, and on an error this returns.
        unsafe { ioctl(&descriptor, request) }?;
        Ok(Userfault { descriptor })
    }

    /// Starts to track memory, without protecting it yet.
    pub(crate) fn register(&self, addresses: &Range<usize>) -> io::Result<()> {
        let mut argument =
            UffdioRegister { range: addresses.into(), mode: REGISTER_MODE_WP, ioctls: 0 };
        // SAFETY: `UffdioRegister` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_REGISTER, _>::new(&mut argument) };
        // SAFETY: it writes to `argument`, and by the invariant has no other visible effect.
        Ok(unsafe { ioctl(&self.descriptor, request) }?)
    }

    /// Protects all pages of registered memory, also absent ones.
    pub(crate) fn protect(&self, addresses: &Range<usize>) -> io::Result<()> {
        let mut argument =
            UffdioWriteprotect { range: addresses.into(), mode: WRITEPROTECT_MODE_WP };
        // SAFETY: `UffdioWriteprotect` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_WRITEPROTECT, _>::new(&mut argument) };
        // SAFETY: it reads `argument`, and by the invariant has no other visible effect.
        Ok(unsafe { ioctl(&self.descriptor, request) }?)
    }

    /// Stops tracking memory and removes the protection.
    pub(crate) fn unregister(&self, addresses: &Range<usize>) -> io::Result<()> {
        let mut range = UffdioRange::from(addresses);
        // SAFETY: `UffdioRange` is the argument of this request.
        let request = unsafe { Updater::<UFFDIO_UNREGISTER, _>::new(&mut range) };
        // SAFETY: it reads `range`, and memory without protection behaves as any other.
        Ok(unsafe { ioctl(&self.descriptor, request) }?)
    }
}

/// `USERFAULTFD_IOC_NEW`, which returns a descriptor.
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
        // SAFETY: the kernel has just made the descriptor, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }
}

fn open_device() -> io::Result<OwnedFd> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/userfaultfd")?;
    // SAFETY: only the rest of this file uses the descriptor.
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
