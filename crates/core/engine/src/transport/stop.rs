//! Stops a migration by a request that also wakes a thread waiting for its peer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// A flag that a poll can wait for.
#[derive(Debug)]
pub(crate) struct Event(OwnedFd);

impl Event {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Event(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(crate) fn signal(&self) {
        // It fails only if the counter is full, and a full counter wakes waiting threads too.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Clears the flag.
    pub(crate) fn clear(&self) {
        // It fails only if the flag was clear.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The cause inside the `io::Error` of an operation that the stop request ended.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
struct Stopped;

/// Returns the error of an operation that the stop request ended.
pub(crate) fn stopped() -> io::Error {
    io::Error::other(Stopped)
}

/// The reason of a stop request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum StopReason {
    /// The user cancelled the migration.
    Cancel = 1,
    /// A device or a channel has failed.
    Fail = 2,
}

/// The error message of a wait that was given up after the point of no return.
const NO_LAST_WORD: &str = "cancelled too late, and the other end does not say what it did";

/// The value of `reason` after the point of no return, when a stop request is refused.
const TOO_LATE: u8 = 3;

/// How long a peer may take for its final answer after a cancel that came too late.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The result of a stop request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The request is the first, and its reason is kept.
    First,
    /// There was a request before.
    Again,
    /// The point of no return was passed before.
    TooLate,
}

/// A request that is made once and that every wait sees: all waits of a migration poll its peer's
/// file descriptor and this one.
///
/// At the point of no return it closes. A request is either made before that or refused, so its
/// caller knows whether the migration stops for it. A cancel after that point only limits the wait
/// for a silent peer.
#[derive(Debug)]
pub(crate) struct StopRequest {
    /// The first [`StopReason`], 0, or [`TOO_LATE`].
    reason: AtomicU8,
    /// Held while `reason`, and what belongs to it, changes.
    turn: Mutex<()>,
    event: Event,
    /// Signals that a cancel came too late.
    late: Event,
    /// The deadline for the peer's final answer after such a cancel.
    last_moment: Mutex<Option<Instant>>,
}

/// The reason why a wait on a file descriptor ended.
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
        Ok(StopRequest {
            reason: AtomicU8::new(0),
            turn: Mutex::default(),
            event: Event::new()?,
            late: Event::new()?,
            last_moment: Mutex::default(),
        })
    }

    /// Makes the request, unless it comes too late.
    pub(crate) fn request(&self, reason: StopReason) -> Asked {
        self.request_after(reason, || {})
    }

    /// Makes the request, unless it comes too late. If it is the first, calls `first` before any
    /// thread can see the request.
    pub(crate) fn request_after(&self, reason: StopReason, first: impl FnOnce()) -> Asked {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.reason.load(Ordering::SeqCst) == 0 {
            first();
        }
        let first =
            self.reason.compare_exchange(0, reason as u8, Ordering::SeqCst, Ordering::SeqCst);
        match first {
            Err(TOO_LATE) => {
                if reason == StopReason::Cancel {
                    self.last_moment().get_or_insert_with(|| Instant::now() + LAST_WORD);
                    self.late.signal();
                }
                Asked::TooLate
            }
            asked => {
                self.event.signal();
                if asked.is_ok() { Asked::First } else { Asked::Again }
            }
        }
    }

    /// Passes the point of no return.
    ///
    /// # Errors
    ///
    /// If a request was made before.
    pub(crate) fn close(&self) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.reason.compare_exchange(0, TOO_LATE, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) | Err(TOO_LATE) => Ok(()),
            Err(_) => Err(stopped()),
        }
    }

    /// Forgets an earlier request, before another migration starts.
    pub(crate) fn reset(&self) {
        self.reason.store(0, Ordering::SeqCst);
        self.event.clear();
        *self.last_moment() = None;
        self.late.clear();
    }

    pub(crate) fn is_requested(&self) -> bool {
        !matches!(self.reason.load(Ordering::SeqCst), 0 | TOO_LATE)
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
        if self.reason.load(Ordering::SeqCst) == TOO_LATE {
            return self.wait_past_no_return(fd, what, deadline);
        }
        self.wait_for_any(&[fd], what, deadline)
    }

    /// Waits until one of `fds` is ready for `what`, the request is made, or `deadline` passes.
    pub(crate) fn wait_for_any(
        &self,
        fds: &[BorrowedFd<'_>],
        what: PollFlags,
        deadline: Option<Instant>,
    ) -> io::Result<Woken> {
        let mut polled: Vec<PollFd<'_>> =
            fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, what)).collect();
        polled.push(PollFd::new(&self.event, PollFlags::IN));
        self.poll(&mut polled, deadline)?;
        Ok(if self.is_requested() {
            Woken::Stopped
        } else if polled[..fds.len()].iter().all(|fd| fd.revents().is_empty()) {
            Woken::TimedOut
        } else {
            Woken::Ready
        })
    }

    /// Waits like [`Self::wait_for`], after the point of no return.
    ///
    /// # Errors
    ///
    /// If a cancel came too late and the deadline for the final answer has passed.
    fn wait_past_no_return(
        &self,
        fd: BorrowedFd<'_>,
        what: PollFlags,
        deadline: Option<Instant>,
    ) -> io::Result<Woken> {
        loop {
            let last_moment = *self.last_moment();
            let mut fds =
                [PollFd::from_borrowed_fd(fd, what), PollFd::new(&self.late, PollFlags::IN)];
            let watched = if last_moment.is_some() { &mut fds[..1] } else { &mut fds[..] };
            self.poll(watched, deadline.into_iter().chain(last_moment).min())?;
            if !fds[0].revents().is_empty() {
                return Ok(Woken::Ready);
            }
            self.check_last_moment()?;
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(Woken::TimedOut);
            }
        }
    }

    /// Checks that the peer may still give its final answer.
    ///
    /// # Errors
    ///
    /// If a cancel came too late and the deadline for the final answer has passed, even if an
    /// answer is there now.
    pub(crate) fn check_last_moment(&self) -> io::Result<()> {
        if self.reason.load(Ordering::SeqCst) != TOO_LATE {
            return Ok(());
        }
        match *self.last_moment() {
            Some(at) if at <= Instant::now() => {
                Err(io::Error::new(io::ErrorKind::TimedOut, NO_LAST_WORD))
            }
            _ => Ok(()),
        }
    }

    fn last_moment(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `fd` is ready for `what`.
    ///
    /// # Errors
    ///
    /// If the stop request is made first.
    pub(crate) fn wait_until_ready(&self, fd: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
        match self.wait_for(fd, what, None)? {
            Woken::Stopped => Err(stopped()),
            Woken::Ready | Woken::TimedOut => Ok(()),
        }
    }

    /// Waits until `deadline` or the stop request, and returns whether the request was made.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_was_forgotten_has_not_happened() {
        let event = Event::new().expect("a descriptor");
        let happened = || {
            let mut fds = [PollFd::new(&event, PollFlags::IN)];
            poll(&mut fds, Some(&timespec(Duration::ZERO))).expect("a poll") == 1
        };
        assert!(!happened());
        event.signal();
        event.signal();
        assert!(happened() && happened(), "for everybody who asks");
        event.clear();
        assert!(!happened());
    }

    #[test]
    fn a_limit_is_as_long_as_it_says() {
        let limit = timespec(Duration::new(3, 500));
        assert_eq!((limit.tv_sec, limit.tv_nsec), (3, 500));
        assert_eq!(timespec(Duration::MAX).tv_sec, i64::MAX);
    }
}
