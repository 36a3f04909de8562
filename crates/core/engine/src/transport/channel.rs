//! The pipe, socket or file that carries a stream: QEMU's `QEMUFile`.
//!
//! Every wait for the peer is a poll that the request to cancel wakes, whatever kind of
//! descriptor it is; so the descriptor is non-blocking, and a peer that reads nothing holds
//! nobody up.

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

/// How long a reader that found nothing looks again before it sleeps, in a stream that is brisk. A
/// reader faster than its peer sleeps at each read otherwise, and waking it costs the sender: 2 GiB
/// of random pages from QEMU over tcp took 762 ms without looking again and 587 ms so (QEMU to QEMU
/// 761 ms; medians of 7, interleaved). The core is given to whoever else wants it meanwhile.
const RETRY: Duration = Duration::from_micros(50);

/// A stream is brisk if its reader was kept waiting no longer than this. With 200 us the same 2 GiB
/// took 476 ms, but a stream of 16 KiB every 130 us then cost 2.4 s of CPU for 4.3 s; it costs 0.75 s
/// so, and about as much (0.66 to 1.2 s) without looking again.
const BRISK: Duration = Duration::from_micros(100);

/// How long a peer that has given the machine away may take to close the connection.
const READ_OUT: Duration = Duration::from_secs(5);

/// Why a channel did not end well.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// Its other end says that it did not take the stream.
    Refused(io::Error),
    /// It does not say. What was passed on before may be a machine that runs.
    Unknown(io::Error),
}

/// A connected channel. Dropping it breaks it off.
#[derive(Debug)]
pub(crate) struct Channel {
    fd: NonBlocking,
    /// Whether the peer can answer: a return path is possible.
    two_way: bool,
    end: End,
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A descriptor that does not block. The flag belongs to the open file, which a descriptor that
/// was inherited shares with the process that opened it; so it is put back.
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
        // Nothing can be done about a failure, and nothing here depends on it.
        let _ = rustix::fs::fcntl_setfl(&self.fd, self.before);
    }
}

impl AsFd for NonBlocking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What stands behind a descriptor, and has to be ended with it.
#[derive(Debug)]
enum End {
    Nothing,
    Command(ShellCommand),
    File(WholeFile),
    /// A file that was made, and is written to where it is.
    Made(RemovedOnDrop),
}

impl Channel {
    pub(crate) fn new(fd: OwnedFd, two_way: bool) -> io::Result<Self> {
        Ok(Channel { fd: NonBlocking::new(fd)?, two_way, end: End::Nothing })
    }

    /// A file that appears at `path` complete or not at all. What is no plain file (a device, a pipe)
    /// is written to where it is.
    pub(crate) fn of_whole_file(path: &Path) -> io::Result<Self> {
        let file = WholeFile::create_private(path)?;
        let mut channel = Channel::new(file.as_file().try_clone()?.into(), false)?;
        channel.end = End::File(file);
        Ok(channel)
    }

    /// A file that is open; it is removed after a failure if it was `made`.
    pub(crate) fn of_made_file(file: File, made: Option<RemovedOnDrop>) -> io::Result<Self> {
        let mut channel = Channel::new(file.into(), false)?;
        if let Some(made) = made {
            channel.end = End::Made(made);
        }
        Ok(channel)
    }

    /// A pipe to or from a shell command, which leads a process group or is in ours.
    pub(crate) fn of_command(fd: OwnedFd, child: Child, group: bool) -> io::Result<Self> {
        // Made first: it ends the command if the rest fails.
        let command = ShellCommand::new(child, group);
        let mut channel = Channel::new(fd, false)?;
        channel.end = End::Command(command);
        Ok(channel)
    }

    /// Waits until somebody has opened a named pipe to write; anything else is ready at once.
    pub(crate) fn wait_for_a_writer(&self, stop: &StopRequest) -> io::Result<()> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&self.fd)?.st_mode);
        if kind == FileType::Fifo && matches!(self.end, End::Nothing) {
            stop.wait_until_ready(self.fd.as_fd(), PollFlags::IN)?;
        }
        Ok(())
    }

    /// How the command failed that a stream ended with too early, if there is one and it did.
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

    /// Waits until there is room for what is written.
    ///
    /// # Errors
    ///
    /// If the peer ends its side of the connection meanwhile: it cannot answer any more, and need not
    /// read what fills the connection.
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

    /// Lets reads and writes wait by themselves, for who ends them with [`Channel::shut_down`].
    pub(crate) fn set_blocking(&self) -> io::Result<()> {
        let flags = rustix::fs::fcntl_getfl(&self.fd)?;
        Ok(rustix::fs::fcntl_setfl(&self.fd, flags & !OFlags::NONBLOCK)?)
    }

    /// Lets nothing more go over it, either way: whoever waits for the peer is woken.
    pub(crate) fn shut_down(&self) {
        // It fails if the peer has done so already.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
    }

    /// Whether the peer has closed it both ways, as far as the kernel knows.
    pub(crate) fn has_ended(&self) -> bool {
        self.polls(PollFlags::HUP)
    }

    fn polls(&self, what: PollFlags) -> bool {
        let mut fds = [PollFd::new(&self.fd, what)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(1..))
    }

    /// Writes `bytes` if there is room for them just now, whatever was requested.
    pub(crate) fn write_now(&self, bytes: &[u8]) {
        // The peer of a migration that has failed is told if that can be done.
        let _ = rustix::io::write(&self.fd, bytes);
    }

    /// Looks at the first bytes of what the peer has sent, and leaves them there; returns how many
    /// there are, 0 at the end.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none yet.
    pub(crate) fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let (read, _) = rustix::net::recv(&self.fd, bytes, RecvFlags::PEEK)?;
        Ok(read)
    }

    /// Whether the peer sends nothing more.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.polls(PollFlags::RDHUP)
    }

    /// Reads until the peer has closed the channel, and forgets what comes. If it were closed here
    /// before that, the kernel would take back what the peer has not read yet.
    pub(crate) fn read_out(&self, stop: &StopRequest) {
        let deadline = Instant::now() + READ_OUT;
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

    /// Closes the channel after everything went well: waits for a shell command to end,
    /// gives a new file its name.
    ///
    /// # Errors
    ///
    /// If what is at the other end did not take the stream, or nobody knows whether it did.
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

/// Reads a channel, and stops when cancelled.
pub(crate) struct ChannelReader<'a> {
    channel: &'a Channel,
    stop: &'a StopRequest,
    /// Whether the last wait was no longer than [`BRISK`].
    brisk: bool,
}

impl<'a> ChannelReader<'a> {
    pub(crate) fn new(channel: &'a Channel, stop: &'a StopRequest) -> Self {
        ChannelReader { channel, stop, brisk: false }
    }

    /// Reads straight into `pieces`, in their order.
    pub(crate) fn read_pieces(&mut self, pieces: &[Piece<'_, Store>]) -> io::Result<usize> {
        self.when_readable(|fd| read_pieces(fd, pieces))
    }

    /// Repeats `read` until it has something to tell, waiting for the peer in between.
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
                    if self.brisk && since.elapsed() < RETRY {
                        thread::yield_now();
                    } else {
                        self.stop.wait_until_ready(self.channel.fd.as_fd(), PollFlags::IN)?;
                        self.brisk = since.elapsed() < BRISK;
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
