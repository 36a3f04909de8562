//! Moving guest memory to and from a file descriptor while the guest may be writing to it.
//!
//! Guest RAM is shared, mutable memory: in Rust a slice of atomics. The kernel reads it
//! during `writev`; a page torn by a store at that moment is dirty and goes again. The kernel
//! stores to it during `readv`, as any other writer may. No reference to bytes of guest memory
//! is ever made, since that would promise that nobody else changes them.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicU64;

/// The most pieces one call takes (`IOV_MAX` of Linux).
pub(crate) const MAX_PIECES: usize = 1024;

/// A piece of memory for `writev`: bytes of ours, or words of the guest.
///
/// # Invariants
///
/// The `iovec` lies within the slice it was made from, which is borrowed for `'a`.
#[repr(transparent)]
pub(crate) struct Piece<'a> {
    iovec: libc::iovec,
    _memory: PhantomData<&'a [AtomicU64]>,
}

impl<'a> Piece<'a> {
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Piece {
            iovec: libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() },
            _memory: PhantomData,
        }
    }

    pub(crate) fn words(words: &'a [AtomicU64]) -> Self {
        Piece { iovec: iovec_of(words), _memory: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.iovec.iov_len
    }

    /// Leaves out the first `n` bytes, or all if it has fewer.
    pub(crate) fn advance(&mut self, n: usize) {
        let n = n.min(self.len());
        advance(&mut self.iovec, n);
    }
}

/// Room for `readv`: words of the guest.
///
/// # Invariants
///
/// The `iovec` lies within the words it was made from, which are borrowed for `'a` and may be
/// stored to by anybody.
#[repr(transparent)]
pub(crate) struct Room<'a> {
    iovec: libc::iovec,
    _memory: PhantomData<&'a [AtomicU64]>,
}

impl<'a> Room<'a> {
    pub(crate) fn words(words: &'a [AtomicU64]) -> Self {
        Room { iovec: iovec_of(words), _memory: PhantomData }
    }

    /// The same without its first `n` bytes; empty if it has fewer.
    pub(crate) fn after(mut self, n: usize) -> Self {
        let n = n.min(self.iovec.iov_len);
        advance(&mut self.iovec, n);
        self
    }
}

fn iovec_of(words: &[AtomicU64]) -> libc::iovec {
    // The pointer may be stored through: atomics are changed through shared references.
    libc::iovec { iov_base: words.as_ptr().cast_mut().cast(), iov_len: size_of_val(words) }
}

/// Leaves out the first `n` bytes, of which there are so many.
fn advance(iovec: &mut libc::iovec, n: usize) {
    iovec.iov_base = iovec.iov_base.wrapping_byte_add(n);
    iovec.iov_len -= n;
}

/// One `writev` of at most [`MAX_PIECES`] pieces; returns how many bytes went.
pub(crate) fn write_pieces(fd: BorrowedFd<'_>, pieces: &[Piece<'_>]) -> io::Result<usize> {
    let count = pieces.len().min(MAX_PIECES) as libc::c_int;
    // SAFETY: `Piece` is a transparent `iovec`, and each lies within memory that is borrowed
    // for the call. The kernel only reads that memory.
    let written = unsafe { libc::writev(fd.as_raw_fd(), pieces.as_ptr().cast(), count) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// One `readv` into at most [`MAX_PIECES`] rooms; returns how many bytes came, 0 at the end.
pub(crate) fn read_rooms(fd: BorrowedFd<'_>, rooms: &mut [Room<'_>]) -> io::Result<usize> {
    let count = rooms.len().min(MAX_PIECES) as libc::c_int;
    // SAFETY: `Room` is a transparent `iovec`, and each lies within atomics that are borrowed for
    // the call, to which the kernel may store as any thread may.
    let read = unsafe { libc::readv(fd.as_raw_fd(), rooms.as_ptr().cast(), count) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}
