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

/// A piece that the kernel only reads: bytes of ours, or words of the guest.
pub(crate) enum Read {}

/// A piece that the kernel may store to as well: words of the guest.
pub(crate) enum Store {}

/// A piece of memory for `writev`, or with [`Store`] for `readv`.
///
/// # Invariants
///
/// The `iovec` lies within the slice it was made from, which is borrowed for `'a`. With [`Store`]
/// that is a slice of atomics, which anybody may store to.
#[repr(transparent)]
pub(crate) struct Piece<'a, Access = Read> {
    iovec: libc::iovec,
    _memory: PhantomData<(&'a [AtomicU64], Access)>,
}

impl<'a> Piece<'a> {
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Piece {
            iovec: libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() },
            _memory: PhantomData,
        }
    }
}

impl<'a, Access> Piece<'a, Access> {
    pub(crate) fn words(words: &'a [AtomicU64]) -> Self {
        // The pointer may be stored through: atomics are changed through shared references.
        let iov_base = words.as_ptr().cast_mut().cast();
        let iovec = libc::iovec { iov_base, iov_len: size_of_val(words) };
        Piece { iovec, _memory: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.iovec.iov_len
    }

    /// Leaves out the first `n` bytes of `pieces`, and returns those that are left. Empty ones
    /// before them are left out as well.
    pub(crate) fn advance_all(pieces: &mut [Self], mut n: usize) -> &mut [Self] {
        let mut done = 0;
        for piece in pieces.iter_mut() {
            let went = n.min(piece.len());
            piece.advance(went);
            n -= went;
            if piece.len() > 0 {
                break;
            }
            done += 1;
        }
        &mut pieces[done..]
    }

    fn advance(&mut self, n: usize) {
        self.iovec.iov_base = self.iovec.iov_base.wrapping_byte_add(n);
        self.iovec.iov_len -= n;
    }
}

/// One `writev` of at most [`MAX_PIECES`] pieces; returns how many bytes went.
pub(crate) fn write_pieces(fd: BorrowedFd<'_>, pieces: &[Piece<'_>]) -> io::Result<usize> {
    let count = pieces.len().min(MAX_PIECES) as libc::c_int;
    // SAFETY: `Piece` is a transparent `iovec`, and each lies within memory that is borrowed
    // for the call. The kernel only reads that memory.
    let written = unsafe { libc::writev(fd.as_raw_fd(), pieces.as_ptr().cast(), count) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// One `readv` into at most [`MAX_PIECES`] pieces; returns how many bytes came, 0 at the end.
pub(crate) fn read_pieces(fd: BorrowedFd<'_>, pieces: &[Piece<'_, Store>]) -> io::Result<usize> {
    let count = pieces.len().min(MAX_PIECES) as libc::c_int;
    // SAFETY: `Piece` is a transparent `iovec`, and with `Store` each lies within atomics that are
    // borrowed for the call, to which the kernel may store as any thread may.
    let read = unsafe { libc::readv(fd.as_raw_fd(), pieces.as_ptr().cast(), count) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}
