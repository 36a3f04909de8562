//! The request to stop, which also wakes a thread that waits for its peer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Something that happens once, and that a poll can wait for.
#[derive(Debug)]
pub(crate) struct Event(OwnedFd);

impl Event {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Event(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(crate) fn signal(&self) {
        // It fails only if the counter is full, and then it wakes the waiting as well.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Forgets that it happened.
    pub(crate) fn clear(&self) {
        // It fails only if there was nothing to forget.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The reason inside the `io::Error` of what the request ended.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
struct Stopped;

/// The error of what the request ended.
pub(crate) fn stopped() -> io::Error {
    io::Error::other(Stopped)
}

/// Why a migration shall stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum StopReason {
    /// Its user does not want it any more.
    Cancel = 1,
    /// Something outside the migration says that it cannot work.
    Fail = 2,
}

/// A request that is made once and seen by every wait: all waits of a migration are polls
/// on its peer's file descriptor and on this one.
#[derive(Debug)]
pub(crate) struct StopRequest {
    /// The first [`StopReason`], or 0.
    reason: AtomicU8,
    event: Event,
}

/// What a wait on a file descriptor ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The descriptor is ready.
    Ready,
    /// The request to stop was made.
    Stopped,
    /// The time ran out.
    TimedOut,
}

impl StopRequest {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(StopRequest { reason: AtomicU8::new(0), event: Event::new()? })
    }

    /// Makes the request. The first reason stays; `true` says that this was it.
    pub(crate) fn request(&self, reason: StopReason) -> bool {
        let first =
            self.reason.compare_exchange(0, reason as u8, Ordering::SeqCst, Ordering::SeqCst);
        self.event.signal();
        first.is_ok()
    }

    /// Forgets an earlier request, before another migration starts.
    pub(crate) fn reset(&self) {
        self.reason.store(0, Ordering::SeqCst);
        self.event.clear();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.reason.load(Ordering::SeqCst) != 0
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.reason.load(Ordering::SeqCst) == StopReason::Cancel as u8
    }

    /// Waits until `fd` is ready for `what`, the request is made, or `deadline` passes.
    pub(crate) fn wait_for(
        &self,
        fd: BorrowedFd<'_>,
        what: PollFlags,
        deadline: Option<Instant>,
    ) -> io::Result<Woken> {
        let mut fds = [PollFd::new(&self.event, PollFlags::IN), PollFd::from_borrowed_fd(fd, what)];
        self.poll(&mut fds, deadline)?;
        Ok(if self.is_requested() {
            Woken::Stopped
        } else if fds[1].revents().is_empty() {
            Woken::TimedOut
        } else {
            Woken::Ready
        })
    }

    /// Waits until `fd` is ready for `what`.
    ///
    /// # Errors
    ///
    /// If the request is made first.
    pub(crate) fn wait_until_ready(&self, fd: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
        match self.wait_for(fd, what, None)? {
            Woken::Stopped => Err(stopped()),
            Woken::Ready | Woken::TimedOut => Ok(()),
        }
    }

    /// Waits until `deadline` or the request; `true` says that the request was made.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> io::Result<bool> {
        let mut fds = [PollFd::from_borrowed_fd(self.event.as_fd(), PollFlags::IN)];
        self.poll(&mut fds, Some(deadline))?;
        Ok(self.is_requested())
    }

    fn poll(&self, fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<()> {
        while !self.is_requested() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match poll(fds, left.map(timespec).as_ref()) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
