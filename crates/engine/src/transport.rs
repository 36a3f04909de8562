//! Opening the channel that a URI names: `migration/socket.c`, `exec.c`, `fd.c`, `file.c`.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::{FileType, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::channel::Channel;
use crate::stop::{StopRequest, Woken, stopped};
use crate::uri::Uri;

/// How long to wait for a place in the queue of a listener.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// How long a connection over a network may be on its way. Those of one source are made before
/// it sends what they are waited for at.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// What a unix socket holds of what is sent, in bytes. With the 208 KiB that it has otherwise the two
/// ends take turns, since a sender that found it full is woken when three quarters are read: 1 GiB
/// of random pages into fresh memory took 0.75 s and takes 0.46 s. More gains nothing. TCP sees to
/// that by itself.
const SEND_BUFFER: usize = 1 << 20;

/// A URI and, for `fd:N`, the descriptor it stands for.
#[derive(Debug)]
pub struct Endpoint {
    uri: Uri,
    fd: Option<OwnedFd>,
}

impl From<Uri> for Endpoint {
    fn from(uri: Uri) -> Self {
        Endpoint { uri, fd: None }
    }
}

impl Endpoint {
    /// The endpoint `fd:N` with the descriptor that N was. The engine takes no descriptor
    /// by its number: only who started the process knows that nobody else owns it.
    pub fn with_fd(uri: Uri, fd: OwnedFd) -> Self {
        Endpoint { uri, fd: Some(fd) }
    }

    /// Whether it can be connected to more than once.
    pub(crate) fn has_many_channels(&self) -> bool {
        matches!(self.uri, Uri::Unix(_) | Uri::Tcp(_))
    }

    /// The URI.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Opens the channel to send on.
    pub(crate) fn connect(self, stop: &StopRequest) -> io::Result<Channel> {
        match self.uri {
            Uri::Unix(path) => connect_unix(&path, stop),
            Uri::Tcp(address) => connect_tcp(&address, stop),
            Uri::Fd(number) => inherited(number, self.fd),
            Uri::Exec(command) => {
                // What the command says is for people, as what we say.
                let said = io::stderr();
                let mut child = shell(&command).stdin(Stdio::piped()).stdout(said).spawn()?;
                let stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
                Channel::of_command(stdin.into(), child)
            }
            Uri::File { path, offset } => {
                if offset == 0 {
                    return Channel::of_whole_file(&path);
                }
                let mut file = without_waiting().write(true).create(true).open(path)?;
                file.set_len(offset)?;
                file.seek(SeekFrom::Start(offset))?;
                Channel::new(file.into(), false)
            }
        }
    }

    /// Opens what can be waited at for the source.
    pub(crate) fn listen(self) -> io::Result<Listener> {
        Ok(match self.uri {
            Uri::Unix(path) => {
                // A socket left behind by a process that is gone, as QEMU takes it.
                if fs::symlink_metadata(&path).is_ok_and(|data| data.file_type().is_socket()) {
                    fs::remove_file(&path)?;
                }
                let listener = UnixListener::bind(&path)?;
                listener.set_nonblocking(true)?;
                Listener::Unix(listener, RemovedOnDrop(path))
            }
            Uri::Tcp(address) => {
                let listener = TcpListener::bind(address.as_str())?;
                listener.set_nonblocking(true)?;
                Listener::Tcp(listener)
            }
            Uri::Fd(number) => Listener::Ready(Some(inherited(number, self.fd)?)),
            Uri::Exec(command) => {
                let mut child =
                    shell(&command).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
                let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
                Listener::Ready(Some(Channel::of_command(stdout.into(), child)?))
            }
            Uri::File { path, offset } => {
                let mut file = without_waiting().read(true).open(path)?;
                if offset != 0 {
                    file.seek(SeekFrom::Start(offset))?;
                }
                Listener::Ready(Some(Channel::new(file.into(), false)?))
            }
        })
    }
}

/// Where the source is waited for.
#[derive(Debug)]
pub(crate) enum Listener {
    Unix(UnixListener, RemovedOnDrop),
    Tcp(TcpListener),
    /// A channel that is open already, until it is taken.
    Ready(Option<Channel>),
}

impl Listener {
    /// Where a source may connect to.
    pub(crate) fn address(&self) -> Option<Uri> {
        match self {
            Listener::Tcp(listener) => {
                listener.local_addr().ok().map(|address| Uri::Tcp(address.to_string()))
            }
            Listener::Unix(_, path) => Some(Uri::Unix(path.0.clone())),
            Listener::Ready(_) => None,
        }
    }

    /// How long a connection may be on its way that the source has made: none over a unix socket.
    pub(crate) fn delay(&self) -> Duration {
        match self {
            Listener::Tcp(_) => ON_ITS_WAY,
            Listener::Unix(..) | Listener::Ready(_) => Duration::ZERO,
        }
    }

    /// Waits for the source to connect.
    pub(crate) fn accept(&mut self, stop: &StopRequest) -> io::Result<Channel> {
        match self.accept_until(stop, None)? {
            Some(channel) => Ok(channel),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "the one channel is taken")),
        }
    }

    /// The same until `deadline`, if there is one: `None` if nobody connected.
    pub(crate) fn accept_until(
        &mut self,
        stop: &StopRequest,
        deadline: Option<Instant>,
    ) -> io::Result<Option<Channel>> {
        match self {
            Listener::Ready(channel) => Ok(channel.take()),
            Listener::Unix(listener, _path) => {
                match accept(&*listener, stop, deadline, || listener.accept())? {
                    Some((stream, _)) => Channel::new(stream.into(), true).map(Some),
                    None => Ok(None),
                }
            }
            Listener::Tcp(listener) => {
                match accept(&*listener, stop, deadline, || listener.accept())? {
                    Some((stream, _)) => {
                        stream.set_nodelay(true)?;
                        Channel::new(stream.into(), true).map(Some)
                    }
                    None => Ok(None),
                }
            }
        }
    }
}

/// A path that goes with the listener.
#[derive(Debug)]
pub(crate) struct RemovedOnDrop(PathBuf);

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        // It may have been removed by hand.
        let _ = fs::remove_file(path);
    }
}

fn accept<T>(
    listener: &impl AsFd,
    stop: &StopRequest,
    deadline: Option<Instant>,
    take: impl Fn() -> io::Result<T>,
) -> io::Result<Option<T>> {
    loop {
        match take() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match stop.wait_for(listener.as_fd(), PollFlags::IN, deadline)? {
                    Woken::Ready => {}
                    Woken::Stopped => return Err(stopped()),
                    Woken::TimedOut => return Ok(None),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            taken => return taken.map(Some),
        }
    }
}

/// To open a file without waiting for somebody at the other end, as a named pipe would.
fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

fn connect_unix(path: &Path, stop: &StopRequest) -> io::Result<Channel> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            // The listener's queue is full, and there is nothing to poll for a place in it.
            Err(rustix::io::Errno::AGAIN) => {
                if stop.sleep_until(Instant::now() + QUEUE_FULL)? {
                    return Err(stopped());
                }
            }
            connected => {
                connected?;
                // If there may not be so much, less does too.
                let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
                return Channel::new(socket, true);
            }
        }
    }
}

/// Tries each address that the name stands for; the last error is the one told.
fn connect_tcp(address: &str, stop: &StopRequest) -> io::Result<Channel> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name stands for no address");
    for address in address.to_socket_addrs()? {
        match connect_address(address, stop) {
            Ok(channel) => return Ok(channel),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_address(address: SocketAddr, stop: &StopRequest) -> io::Result<Channel> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Err(rustix::io::Errno::INPROGRESS) => {
            stop.wait_until_ready(socket.as_fd(), PollFlags::OUT)?;
            rustix::net::sockopt::socket_error(&socket)??;
        }
        connected => connected?,
    }
    rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
    Channel::new(socket, true)
}

fn inherited(number: i32, fd: Option<OwnedFd>) -> io::Result<Channel> {
    let fd = fd.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("file descriptor {number} was not handed to the migration"),
        )
    })?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
    Channel::new(fd, kind == FileType::Socket)
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    // A group of its own: it can be ended whole, and Ctrl-C is ours to handle.
    shell.arg("-c").arg(command).process_group(0);
    shell
}
