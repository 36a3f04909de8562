//! Unix sockets, with a path or a name of the abstract namespace: `migration/socket.c`.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::Channel;
use super::listener::Listener;
use super::removed::RemovedOnDrop;
use super::stop::{StopRequest, stopped};
use super::uri::{abstract_path, is_abstract};

/// How long to wait for a place in the queue of a listener.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// What a unix socket holds of what is sent, in bytes. With the 208 KiB that it has otherwise the two
/// ends take turns, since a sender that found it full is woken when three quarters are read: 1 GiB
/// of random pages into fresh memory took 0.75 s and takes 0.46 s. More gains nothing. TCP sees to
/// that by itself.
const SEND_BUFFER: usize = 1 << 20;

/// Connections that may wait until they are taken.
const QUEUE: i32 = 128;

pub(super) fn listen_unix(path: PathBuf) -> io::Result<Listener> {
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

pub(super) fn connect_unix(path: &Path, stop: &StopRequest) -> io::Result<Channel> {
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
