//! Moves guest memory to and from a file descriptor while the guest may write to it.
//!
//! Guest RAM is shared, mutable memory: in Rust, a slice of atomics. The kernel reads it during
//! `writev`; if a store tears a page at that moment, the page is dirty and is sent again. The
//! kernel stores to it during `readv`, as any other writer may. No reference to bytes of guest
//! memory is ever made, because that would promise that no other code changes them.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicU64;

/// Maximum number of pieces in one call (`IOV_MAX` of Linux).
pub(crate) const MAX_PIECES: usize = 1024;

/// Marks a piece that the kernel only reads: bytes of this process, or words of the guest.
pub(crate) enum Read {}

/// Marks a piece that the kernel may also store to: words of the guest.
pub(crate) enum Store {}

/// A piece of memory for `writev`, or with [`Store`] for `readv`.
///
/// # Invariants
///
/// The `iovec` lies within the slice it was made from, which is borrowed for `'a`. With [`Store`]
/// that is a slice of atomics, which any thread may store to.
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
        // Stores through the pointer are allowed, because atomics are changed through shared
        // references.
        let iov_base = words.as_ptr().cast_mut().cast();
        let iovec = libc::iovec { iov_base, iov_len: size_of_val(words) };
        Piece { iovec, _memory: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.iovec.iov_len
    }

    /// Drops the first `n` bytes of `pieces`, and the empty pieces that follow them, and returns
    /// the remaining pieces.
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

/// Calls `writev` once with at most [`MAX_PIECES`] pieces, and returns the number of bytes written.
pub(crate) fn write_pieces(fd: BorrowedFd<'_>, pieces: &[Piece<'_>]) -> io::Result<usize> {
    let count = pieces.len().min(MAX_PIECES) as libc::c_int;
    // SAFETY: `Piece` is a transparent `iovec`, and each lies within memory that is borrowed
    // for the call. The kernel only reads that memory.
    let written = unsafe { libc::writev(fd.as_raw_fd(), pieces.as_ptr().cast(), count) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// Calls `readv` once with at most [`MAX_PIECES`] pieces, and returns the number of bytes read; 0
/// at the end.
pub(crate) fn read_pieces(fd: BorrowedFd<'_>, pieces: &[Piece<'_, Store>]) -> io::Result<usize> {
    let count = pieces.len().min(MAX_PIECES) as libc::c_int;
    // SAFETY: `Piece` is a transparent `iovec`, and with `Store` each lies within atomics that are
    // borrowed for the call, to which the kernel may store as any thread may.
    let read = unsafe { libc::readv(fd.as_raw_fd(), pieces.as_ptr().cast(), count) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}
