//! Writing guest memory to a file descriptor while the guest may be writing to it.
//!
//! Guest RAM is shared, mutable memory: in Rust a slice of atomics. The kernel reads it
//! during `writev`; a page torn by a store at that moment is dirty and goes again. No
//! `&[u8]` of guest memory is ever made, since that would promise that it does not change.

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
        Piece {
            iovec: libc::iovec {
                iov_base: words.as_ptr().cast_mut().cast(),
                iov_len: size_of_val(words),
            },
            _memory: PhantomData,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.iovec.iov_len
    }

    /// Leaves out the first `n` bytes, or all if it has fewer.
    pub(crate) fn advance(&mut self, n: usize) {
        let n = n.min(self.len());
        self.iovec.iov_base = self.iovec.iov_base.wrapping_byte_add(n);
        self.iovec.iov_len -= n;
    }
}

/// One `writev` of at most [`MAX_PIECES`] pieces; returns how many bytes went.
pub(crate) fn write_pieces(fd: BorrowedFd<'_>, pieces: &[Piece<'_>]) -> io::Result<usize> {
    let count = pieces.len().min(MAX_PIECES);
    // SAFETY: `Piece` is a transparent `iovec`, and each lies within memory that is borrowed
    // for the call. The kernel only reads that memory.
    let written = unsafe {
        libc::writev(
            fd.as_raw_fd(),
            pieces.as_ptr().cast(),
            libc::c_int::try_from(count).unwrap_or(libc::c_int::MAX),
        )
    };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}
