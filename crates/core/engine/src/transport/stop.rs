//! The request to stop, which also wakes a thread that waits for its peer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// Why a wait ended that nobody could stop any more.
const NO_LAST_WORD: &str = "cancelled too late, and the other end does not say what it did";

/// No request to stop is taken any more.
const TOO_LATE: u8 = 3;

/// How long a peer that owes the last word may take for it after a cancel that came too late.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What became of a request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is the first, and its reason stays.
    First,
    /// There was one before.
    Again,
    /// The point of no return was passed before.
    TooLate,
}

/// A request that is made once and seen by every wait: all waits of a migration are polls
/// on its peer's file descriptor and on this one.
///
/// At the point of no return it closes. A request is made before that or not at all, so whoever
/// makes one knows whether the migration stops for it. A cancel after that only ends the wait for a
/// silent peer, after a while.
#[derive(Debug)]
pub(crate) struct StopRequest {
    /// The first [`StopReason`], 0, or [`TOO_LATE`].
    reason: AtomicU8,
    /// Whoever changes `reason`, and what goes with it.
    turn: Mutex<()>,
    event: Event,
    /// A cancel came too late.
    late: Event,
    /// Until when the peer may give its last word then.
    last_moment: Mutex<Option<Instant>>,
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
        Ok(StopRequest {
            reason: AtomicU8::new(0),
            turn: Mutex::default(),
            event: Event::new()?,
            late: Event::new()?,
            last_moment: Mutex::default(),
        })
    }

    /// Makes the request, unless it is too late.
    pub(crate) fn request(&self, reason: StopReason) -> Asked {
        self.request_after(reason, || {})
    }

    /// The same, and calls `first` before that if it is the first: before any thread can see it.
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
    /// If the request was made before.
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

    /// Waits in a migration that nobody can stop any more.
    ///
    /// # Errors
    ///
    /// If a cancel came too late and the peer's last moment has passed.
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

    /// # Errors
    ///
    /// If a cancel came too late and the peer's last moment has passed, whatever it says now.
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
