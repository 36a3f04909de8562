//! Listens and connects at unix sockets, with a path or a name in the abstract namespace:
//! `migration/socket.c`.

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

/// Interval between two attempts to connect to a listener whose queue is full.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// Send buffer of a unix socket, in bytes. With the default of 208 KiB the two ends take turns
/// instead of working at the same time; TCP adapts its buffer by itself (`docs/decisions.md`,
/// *Measured on the way*).
const SEND_BUFFER: usize = 1 << 20;

/// Maximum number of connections that wait to be accepted.
const QUEUE: i32 = 128;

pub(super) fn listen_unix(path: PathBuf) -> io::Result<Listener> {
    if !is_abstract(&path) {
        // A socket that a dead process left behind is replaced, as QEMU does.
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

/// Returns the address of a [`Uri::Unix`](super::uri::Uri::Unix). An empty abstract name means any
/// free name.
fn unix_address(path: &Path) -> io::Result<SocketAddrUnix> {
    Ok(match path.as_os_str().as_bytes() {
        [0] => SocketAddrUnix::new_unnamed(),
        [0, name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        _ => SocketAddrUnix::new(path)?,
    })
}

/// Returns whether no process listens at `path`. The probe does not disturb a listener of streams,
/// which does not see a socket of another type.
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
            // The listener's queue is full, and no descriptor can be polled for a free place.
            Err(rustix::io::Errno::AGAIN) => {
                if stop.sleep_until(Instant::now() + QUEUE_FULL)? {
                    return Err(stopped());
                }
            }
            connected => {
                connected?;
                // A smaller buffer works too, if this size is not allowed.
                let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
                return Channel::new(socket, true);
            }
        }
    }
}
