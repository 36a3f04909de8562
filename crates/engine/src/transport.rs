//! Opening the channel that a URI names: `migration/socket.c`, `exec.c`, `fd.c`, `file.c`.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::channel::Channel;
use crate::stop::{Event, StopRequest, stopped};
use crate::uri::{Uri, abstract_path, is_abstract};

/// How long to wait for a place in the queue of a listener.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// How long a TCP peer may be silent: one that has gone without a word is given up then. A peer that
/// lives and reads nothing for so long is given up too, as the kernel has it (`tcp(7)`,
/// TCP_USER_TIMEOUT).
const SILENCE: Duration = Duration::from_secs(60);

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
                let (mut shell, group) = shell(&command);
                let mut child = shell.stdin(Stdio::piped()).stdout(io::stderr()).spawn()?;
                let stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
                Channel::of_command(stdin.into(), child, group)
            }
            Uri::File { path, offset } => {
                if offset == 0 {
                    return Channel::of_whole_file(&path);
                }
                let mut options = without_waiting();
                let mut file = options.write(true).create(true).mode(0o600).open(path)?;
                file.set_len(offset)?;
                file.seek(SeekFrom::Start(offset))?;
                Channel::new(file.into(), false)
            }
        }
    }

    /// Opens what can be waited at for the source.
    pub(crate) fn listen(self, stop: &StopRequest) -> io::Result<Listener> {
        Ok(match self.uri {
            Uri::Unix(path) => listen_unix(path)?,
            Uri::Tcp(address) => Listener::Tcp(listen_tcp(&address, stop)?),
            Uri::Fd(number) => Listener::Ready(Some(inherited(number, self.fd)?)),
            Uri::Exec(command) => {
                let (mut shell, group) = shell(&command);
                let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
                let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
                Listener::Ready(Some(Channel::of_command(stdout.into(), child, group)?))
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
    Unix {
        listener: UnixListener,
        path: PathBuf,
        _file: Option<RemovedOnDrop>,
    },
    /// One for each address of the name.
    Tcp(Vec<TcpListener>),
    /// A channel that is open already, until it is taken.
    Ready(Option<Channel>),
}

impl Listener {
    /// Where a source may connect to.
    pub(crate) fn address(&self) -> Option<Uri> {
        match self {
            Listener::Tcp(listeners) => {
                let address = listeners.first().and_then(|listener| listener.local_addr().ok())?;
                Some(Uri::Tcp(address.to_string()))
            }
            Listener::Unix { path, .. } => Some(Uri::Unix(path.clone())),
            Listener::Ready(_) => None,
        }
    }

    /// How long a connection may be on its way that the source has made. Over a unix socket none is,
    /// but what forwards connections may keep one back.
    pub(crate) fn delay(&self) -> Duration {
        match self {
            Listener::Tcp(_) => ON_ITS_WAY,
            Listener::Unix { .. } => ON_ITS_WAY / 5,
            Listener::Ready(_) => Duration::ZERO,
        }
    }

    /// What becomes readable when somebody connects.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Listener::Unix { listener, .. } => vec![listener.as_fd()],
            Listener::Tcp(listeners) => listeners.iter().map(TcpListener::as_fd).collect(),
            Listener::Ready(_) => Vec::new(),
        }
    }

    /// Takes a channel that is open already.
    ///
    /// # Errors
    ///
    /// If there is none, or the request to stop comes before there is a writer at a named pipe.
    pub(crate) fn accept(&mut self, stop: &StopRequest) -> io::Result<Channel> {
        if let Listener::Ready(place) = self
            && let Some(channel) = place.take()
        {
            channel.wait_for_a_writer(stop)?;
            return Ok(channel);
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the one channel is taken"))
    }

    /// Takes a connection that somebody has made.
    pub(crate) fn try_accept(&mut self) -> io::Result<Option<Channel>> {
        loop {
            let taken = match self {
                Listener::Ready(channel) => return Ok(channel.take()),
                Listener::Unix { listener, .. } => listener.accept().map(|(stream, _)| {
                    let socket = OwnedFd::from(stream);
                    Channel::new(socket, true)
                }),
                Listener::Tcp(listeners) => accept_any(listeners).map(|stream| {
                    let socket = OwnedFd::from(stream);
                    prepare_tcp(&socket)?;
                    Channel::new(socket, true)
                }),
            };
            match taken {
                Ok(channel) => return channel.map(Some),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // One that was given up before it was taken is no reason to wait no longer.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The path of a listener's socket, which goes with it.
#[derive(Debug)]
pub(crate) struct RemovedOnDrop {
    path: PathBuf,
    /// Device and inode: somebody may have another file there by then.
    identity: (u64, u64),
}

impl RemovedOnDrop {
    fn new(path: PathBuf) -> io::Result<Self> {
        let there = fs::symlink_metadata(&path)?;
        Ok(RemovedOnDrop { path, identity: (there.dev(), there.ino()) })
    }
}

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        let ours = |there: fs::Metadata| (there.dev(), there.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // It may have been removed by hand just now.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Connections that may wait until they are taken.
const QUEUE: i32 = 128;

fn listen_unix(path: PathBuf) -> io::Result<Listener> {
    if !is_abstract(&path) {
        // A socket left behind by a process that is gone, as QEMU takes it.
        if fs::symlink_metadata(&path).is_ok_and(|data| data.file_type().is_socket())
            && nobody_listens(&path)?
        {
            fs::remove_file(&path)?;
        }
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        let file = Some(RemovedOnDrop::new(path.clone())?);
        return Ok(Listener::Unix { listener, path, _file: file });
    }
    let socket = unix_socket()?;
    rustix::net::bind(&socket, &unix_address(&path)?)?;
    rustix::net::listen(&socket, QUEUE)?;
    let address = SocketAddrUnix::try_from(rustix::net::getsockname(&socket)?)?;
    let name = address.abstract_name().unwrap_or_default();
    Ok(Listener::Unix { path: abstract_path(name), listener: socket.into(), _file: None })
}

fn unix_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// The address of [`Uri::Unix`]. An abstract name that is empty is any that is free.
fn unix_address(path: &Path) -> io::Result<SocketAddrUnix> {
    Ok(match path.as_os_str().as_bytes() {
        [0] => SocketAddrUnix::new_unnamed(),
        [0, name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        _ => SocketAddrUnix::new(path)?,
    })
}

/// Whether the socket at `path` was left behind. A listener of streams is not disturbed: it never
/// hears of a socket of another kind.
fn nobody_listens(path: &Path) -> io::Result<bool> {
    let probe = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(matches!(
        rustix::net::connect(&probe, &SocketAddrUnix::new(path)?),
        Err(rustix::io::Errno::CONNREFUSED)
    ))
}

/// Waits at each address that the name stands for, as QEMU does; at least one must be free.
fn listen_tcp(address: &str, stop: &StopRequest) -> io::Result<Vec<TcpListener>> {
    let addresses = match address.strip_prefix(':') {
        // Any address, of both families where the host has both.
        Some(port) => resolve(&format!("[::]:{port}"), stop)
            .ok()
            .filter(|addresses| addresses.iter().any(|address| TcpListener::bind(address).is_ok()))
            .map_or_else(|| resolve(&format!("0.0.0.0:{port}"), stop), Ok)?,
        None => resolve(address, stop)?,
    };
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut last = no_address();
    for mut address in addresses {
        // Port 0 is any that is free, and the same at each address.
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                listeners.push(listener);
            }
            Err(error) => last = error,
        }
    }
    if listeners.is_empty() { Err(last) } else { Ok(listeners) }
}

fn accept_any(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    for listener in listeners {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            taken => return taken.map(|(stream, _)| stream),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// Finds the addresses that `HOST:PORT` stands for. Asking for a name may take long, so a thread of
/// its own does it, which is left alone when the migration stops.
fn resolve(address: &str, stop: &StopRequest) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let Some((host, port)) = address.rsplit_once(':') else { return Err(no_address()) };
    let port: u16 = port.parse().map_err(|_| no_address())?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = if host.is_empty() { "localhost" } else { host }.to_owned();
    let answer = Arc::new((Mutex::new(None), Event::new()?));
    let asks = Arc::clone(&answer);
    thread::Builder::new().name("mig/resolve".into()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let (place, done) = &*asks;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        done.signal();
    })?;
    let (place, done) = &*answer;
    stop.wait_until_ready(done.as_fd(), PollFlags::IN)?;
    let found = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    let found = found.unwrap_or_else(|| Err(no_address()))?;
    if found.is_empty() { Err(no_address()) } else { Ok(found) }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name stands for no address")
}

/// Sets a connection up: nothing waits to be sent with more, and a peer that has gone without a word
/// is noticed.
fn prepare_tcp(socket: &OwnedFd) -> io::Result<()> {
    use rustix::net::sockopt;

    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, SILENCE / 3)?;
    sockopt::set_tcp_keepintvl(socket, SILENCE / 6)?;
    sockopt::set_tcp_keepcnt(socket, 4)?;
    Ok(sockopt::set_tcp_user_timeout(socket, SILENCE.as_millis() as u32)?)
}

/// To open a file without waiting for somebody at the other end, as a named pipe would.
fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

fn connect_unix(path: &Path, stop: &StopRequest) -> io::Result<Channel> {
    let (address, socket) = (unix_address(path)?, unix_socket()?);
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
    let mut last = no_address();
    for address in resolve(address, stop)? {
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
    prepare_tcp(&socket)?;
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

/// A shell that runs `command`, and whether it has a process group of its own.
///
/// In a group of its own it can be ended whole, and Ctrl-C is ours to handle. But then it is in the
/// background of a terminal, where nothing can be asked for, such as the password that `ssh` wants.
/// So a process in the foreground keeps the command beside it.
fn shell(command: &str) -> (Command, bool) {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    let group = !is_in_the_foreground();
    if group {
        shell.process_group(0);
    }
    (shell, group)
}

/// Whether this process may read from its terminal, if it has one.
fn is_in_the_foreground() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(terminal) = rustix::fs::open("/dev/tty", flags, Mode::empty()) else { return false };
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}
