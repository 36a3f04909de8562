//! Listens and connects over TCP, at each address of a host name: `migration/socket.c`.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::Channel;
use super::stop::{Event, StopRequest};

/// How long a TCP peer may be silent. It detects a peer that is gone without closing the
/// connection, but also gives up on a live peer that reads nothing for so long (`tcp(7)`,
/// TCP_USER_TIMEOUT).
const SILENCE: Duration = Duration::from_secs(60);

/// Listens at each address of the name, as QEMU does; at least one must be free.
pub(super) fn listen_tcp(address: &str, stop: &StopRequest) -> io::Result<Vec<TcpListener>> {
    let addresses = match address.strip_prefix(':') {
        // Every address, of both families if the host has both.
        Some(port) => resolve(&format!("[::]:{port}"), stop)
            .ok()
            .filter(|addresses| addresses.iter().any(|address| TcpListener::bind(address).is_ok()))
            .map_or_else(|| resolve(&format!("0.0.0.0:{port}"), stop), Ok)?,
        None => resolve(address, stop)?,
    };
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut last = no_address();
    for mut address in addresses {
        // Port 0 means any free port; all addresses use the same one.
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

pub(super) fn accept_any(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    for listener in listeners {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            taken => return taken.map(|(stream, _)| stream),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// Resolves `HOST:PORT` to addresses. Name resolution may take long, so a separate thread does it,
/// which is abandoned if the migration stops.
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

/// Sets the options of a connection: small writes are sent at once, and a peer that vanishes is
/// detected.
pub(super) fn prepare_tcp(socket: &OwnedFd) -> io::Result<()> {
    use rustix::net::sockopt;

    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, SILENCE / 3)?;
    sockopt::set_tcp_keepintvl(socket, SILENCE / 6)?;
    sockopt::set_tcp_keepcnt(socket, 4)?;
    Ok(sockopt::set_tcp_user_timeout(socket, SILENCE.as_millis() as u32)?)
}

/// Connects to the first address of the name that accepts; if none does, returns the last error.
pub(super) fn connect_tcp(address: &str, stop: &StopRequest) -> io::Result<Channel> {
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
