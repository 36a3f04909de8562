//! Reads and writes the pipe, socket or file that carries a stream: QEMU's `QEMUFile`.
//!
//! Every wait for the peer is a poll that a stop request also wakes, whatever the kind of
//! descriptor. So the descriptor is non-blocking, and a peer that does not read cannot block a
//! cancel.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown};
use whole_file::WholeFile;

use super::command::ShellCommand;
use super::removed::RemovedOnDrop;
use super::stop::{StopRequest, Woken, stopped};
use crate::memory::guest_io::{Piece, Store, read_pieces, write_pieces};

/// While data arrives steadily, a reader spins for up to this long before it polls, and yields the
/// core each time. Otherwise it would sleep at each read, and the sender pays for waking it
/// (`docs/decisions.md`, *Measured on the way*).
const SPIN: Duration = Duration::from_micros(50);

/// Data arrives steadily if the last wait was no longer than this. A higher limit makes a slow
/// stream spin without gain (`docs/decisions.md`, *Measured on the way*).
const STEADY: Duration = Duration::from_micros(100);

/// How long a source that has given the machine away may take to close the connection.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason why closing a channel failed.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// The receiver reported that it did not take the stream.
    Refused(io::Error),
    /// The receiver reported nothing. The stream that it passed on may be a running machine.
    Unknown(io::Error),
}

/// A connected channel. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Channel {
    fd: NonBlocking,
    /// Whether the peer can answer, so that a return path is possible.
    two_way: bool,
    end: End,
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A non-blocking descriptor. The flag belongs to the open file, which an inherited descriptor
/// shares with the process that opened it, so dropping this value restores the flag.
#[derive(Debug)]
struct NonBlocking {
    fd: OwnedFd,
    before: OFlags,
}

impl NonBlocking {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        let before = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, before | OFlags::NONBLOCK)?;
        Ok(NonBlocking { fd, before })
    }
}

impl Drop for NonBlocking {
    fn drop(&mut self) {
        // A failure cannot be handled, and no code here depends on it.
        let _ = rustix::fs::fcntl_setfl(&self.fd, self.before);
    }
}

impl AsFd for NonBlocking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The resource behind a descriptor, which must be ended with it.
#[derive(Debug)]
enum End {
    Nothing,
    Command(ShellCommand),
    File(WholeFile),
    /// A new file that is written in place.
    Made(RemovedOnDrop),
}

impl Channel {
    pub(crate) fn new(fd: OwnedFd, two_way: bool) -> io::Result<Self> {
        Ok(Channel { fd: NonBlocking::new(fd)?, two_way, end: End::Nothing })
    }

    /// Makes a channel to a file that appears at `path` complete or not at all. A path that is not
    /// a plain file (a device, a pipe) is written in place.
    pub(crate) fn of_whole_file(path: &Path) -> io::Result<Self> {
        let file = WholeFile::create_private(path)?;
        let mut channel = Channel::new(file.as_file().try_clone()?.into(), false)?;
        channel.end = End::File(file);
        Ok(channel)
    }

    /// Makes a channel to an open file. If it was newly `made`, it is removed after a failure.
    pub(crate) fn of_made_file(file: File, made: Option<RemovedOnDrop>) -> io::Result<Self> {
        let mut channel = Channel::new(file.into(), false)?;
        if let Some(made) = made {
            channel.end = End::Made(made);
        }
        Ok(channel)
    }

    /// Makes a channel from a pipe to or from a shell command. With `group` the command leads a
    /// process group of its own; otherwise it is in the group of this process.
    pub(crate) fn of_command(fd: OwnedFd, child: Child, group: bool) -> io::Result<Self> {
        // Made first, so that it ends the command if the rest fails.
        let command = ShellCommand::new(child, group);
        let mut channel = Channel::new(fd, false)?;
        channel.end = End::Command(command);
        Ok(channel)
    }

    /// Waits until a named pipe has a writer. Any other channel is ready at once.
    pub(crate) fn wait_for_a_writer(&self, stop: &StopRequest) -> io::Result<()> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&self.fd)?.st_mode);
        if kind == FileType::Fifo && matches!(self.end, End::Nothing) {
            stop.wait_until_ready(self.fd.as_fd(), PollFlags::IN)?;
        }
        Ok(())
    }

    /// Returns how the channel's command failed, if it has one and that ended the stream too early.
    pub(crate) fn failed_command(&mut self, stop: &StopRequest) -> Option<ExitStatus> {
        let End::Command(command) = &mut self.end else { return None };
        command.failed(stop)
    }

    pub(crate) fn is_two_way(&self) -> bool {
        self.two_way
    }

    pub(crate) fn write_all(&self, stop: &StopRequest, bytes: &[u8]) -> io::Result<()> {
        self.write_all_pieces(stop, &mut [Piece::bytes(bytes)])
    }

    pub(crate) fn write_all_pieces(
        &self,
        stop: &StopRequest,
        pieces: &mut [Piece<'_>],
    ) -> io::Result<()> {
        let mut pieces = Piece::advance_all(pieces, 0);
        loop {
            if pieces.is_empty() {
                return Ok(());
            }
            if stop.is_requested() {
                return Err(stopped());
            }
            match write_pieces(self.fd.as_fd(), pieces) {
                Ok(written) => pieces = Piece::advance_all(pieces, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_for_room(stop)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the channel can take more bytes.
    ///
    /// # Errors
    ///
    /// If the peer closes its side of the connection meanwhile: it can no longer answer, and may
    /// never read what fills the connection.
    pub(crate) fn wait_for_room(&self, stop: &StopRequest) -> io::Result<()> {
        if !self.two_way {
            return stop.wait_until_ready(self.fd.as_fd(), PollFlags::OUT);
        }
        stop.wait_until_ready(self.fd.as_fd(), PollFlags::OUT | PollFlags::RDHUP)?;
        if self.is_half_closed() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }

    /// Makes reads and writes block, for a caller that ends them with [`Channel::shut_down`].
    pub(crate) fn set_blocking(&self) -> io::Result<()> {
        let flags = rustix::fs::fcntl_getfl(&self.fd)?;
        Ok(rustix::fs::fcntl_setfl(&self.fd, flags & !OFlags::NONBLOCK)?)
    }

    /// Shuts the connection down in both directions, which wakes every thread that waits for the
    /// peer.
    pub(crate) fn shut_down(&self) {
        // It fails if the peer has shut the connection down already.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
    }

    /// Returns whether the peer has closed the connection in both directions, as far as the kernel
    /// knows.
    pub(crate) fn has_ended(&self) -> bool {
        self.polls(PollFlags::HUP)
    }

    fn polls(&self, what: PollFlags) -> bool {
        let mut fds = [PollFd::new(&self.fd, what)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(1..))
    }

    /// Writes `bytes` if the channel can take them without waiting, even after a stop request.
    pub(crate) fn write_now(&self, bytes: &[u8]) {
        // A best effort: the peer of a failed migration also sees the connection close.
        let _ = rustix::io::write(&self.fd, bytes);
    }

    /// Copies the first bytes that the peer has sent, without consuming them, and returns how many
    /// there are; 0 at the end.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there are none yet.
    pub(crate) fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let (read, _) = rustix::net::recv(&self.fd, bytes, RecvFlags::PEEK)?;
        Ok(read)
    }

    /// Returns whether the peer has closed its sending side.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.polls(PollFlags::RDHUP)
    }

    /// Reads and discards bytes until the peer has closed the channel. If this end closed first,
    /// the kernel would discard what the peer has not read yet.
    pub(crate) fn read_out(&self, stop: &StopRequest) {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        let mut forgotten = vec![0; 64 << 10];
        while Instant::now() < deadline {
            match rustix::io::read(&self.fd, &mut forgotten) {
                Ok(0) => return,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    match stop.wait_for(self.fd.as_fd(), PollFlags::IN, Some(deadline)) {
                        Ok(Woken::Ready) => {}
                        Ok(Woken::Stopped | Woken::TimedOut) | Err(_) => return,
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Closes the channel after a migration that went well: waits for a shell command to end, or
    /// gives a new file its name.
    ///
    /// # Errors
    ///
    /// If the receiver did not take the stream, or it is not known whether it did.
    pub(crate) fn close(self, stop: &StopRequest) -> Result<(), NotTaken> {
        let Channel { fd, end, .. } = self;
        drop(fd);
        match end {
            End::Nothing => Ok(()),
            End::Command(command) => command.wait(stop),
            End::File(file) => file.persist().map_err(NotTaken::Refused),
            End::Made(made) => {
                made.keep();
                Ok(())
            }
        }
    }
}

/// A reader of a channel, which a stop request ends.
pub(crate) struct ChannelReader<'a> {
    channel: &'a Channel,
    stop: &'a StopRequest,
    /// Whether data arrives steadily: the last wait was no longer than [`STEADY`].
    steady: bool,
}

impl<'a> ChannelReader<'a> {
    pub(crate) fn new(channel: &'a Channel, stop: &'a StopRequest) -> Self {
        ChannelReader { channel, stop, steady: false }
    }

    /// Reads straight into `pieces`, in order.
    pub(crate) fn read_pieces(&mut self, pieces: &[Piece<'_, Store>]) -> io::Result<usize> {
        self.when_readable(|fd| read_pieces(fd, pieces))
    }

    /// Repeats `read` until it returns bytes, the end or an error, and waits for the peer in
    /// between.
    fn when_readable(
        &mut self,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut empty_since = None;
        loop {
            if self.stop.is_requested() {
                return Err(stopped());
            }
            self.stop.check_last_moment()?;
            match read(self.channel.fd.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let since = *empty_since.get_or_insert_with(Instant::now);
                    if self.steady && since.elapsed() < SPIN {
                        thread::yield_now();
                    } else {
                        self.stop.wait_until_ready(self.channel.fd.as_fd(), PollFlags::IN)?;
                        self.steady = since.elapsed() < STEADY;
                    }
                }
                result => return result,
            }
        }
    }
}

impl io::Read for ChannelReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.when_readable(|fd| Ok(rustix::io::read(fd, &mut *buffer)?))
    }
}
