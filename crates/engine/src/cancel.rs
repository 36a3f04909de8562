//! The request to stop, which also wakes a thread that waits for its peer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// A request that is made once and seen by every wait: all waits of a migration are polls
/// on its peer's file descriptor and on this one.
#[derive(Debug)]
pub(crate) struct CancelEvent {
    requested: AtomicBool,
    event: OwnedFd,
}

/// What a wait on a file descriptor ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The descriptor is ready.
    Ready,
    /// The request to stop was made.
    Cancelled,
    /// The time ran out.
    TimedOut,
}

impl CancelEvent {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(CancelEvent {
            requested: AtomicBool::new(false),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Makes the request.
    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
        // It fails only if the counter is full, and then it wakes the waiting as well.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Forgets an earlier request, before another migration starts.
    pub(crate) fn reset(&self) {
        self.requested.store(false, Ordering::SeqCst);
        // It fails only if there was nothing to read.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
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
            Woken::Cancelled
        } else if fds[1].revents().is_empty() {
            Woken::TimedOut
        } else {
            Woken::Ready
        })
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
