//! Where a destination waits.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use super::Channel;
use super::removed::RemovedOnDrop;
use super::stop::StopRequest;
use super::tcp::{accept_any, prepare_tcp};
use super::uri::Uri;

/// How long a connection over a network may be on its way. Those of one source are made before
/// it sends what they are waited for at.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

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
