//! Accepts the connections of a source at the URI where a destination listens.

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

/// How long a connection over a network may take to arrive. A source makes all of its connections
/// before it sends the data after which they are expected.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// The sockets or the open channel through which the source comes.
#[derive(Debug)]
pub(crate) enum Listener {
    Unix {
        listener: UnixListener,
        path: PathBuf,
        _file: Option<RemovedOnDrop>,
    },
    /// One listener for each address of the host name.
    Tcp(Vec<TcpListener>),
    /// A channel that is already open, until it is taken.
    Ready(Option<Channel>),
}

impl Listener {
    /// Returns the URI that a source can connect to.
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

    /// Returns how long a connection that the source has made may take to arrive. A unix socket has
    /// no delay of its own, but a program that forwards connections may add one.
    pub(crate) fn delay(&self) -> Duration {
        match self {
            Listener::Tcp(_) => ON_ITS_WAY,
            Listener::Unix { .. } => ON_ITS_WAY / 5,
            Listener::Ready(_) => Duration::ZERO,
        }
    }

    /// Returns the descriptors that become readable when a peer connects.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Listener::Unix { listener, .. } => vec![listener.as_fd()],
            Listener::Tcp(listeners) => listeners.iter().map(TcpListener::as_fd).collect(),
            Listener::Ready(_) => Vec::new(),
        }
    }

    /// Takes the channel that is already open.
    ///
    /// # Errors
    ///
    /// If there is none, or the stop request comes before a named pipe has a writer.
    pub(crate) fn accept(&mut self, stop: &StopRequest) -> io::Result<Channel> {
        if let Listener::Ready(place) = self
            && let Some(channel) = place.take()
        {
            channel.wait_for_a_writer(stop)?;
            return Ok(channel);
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the one channel is taken"))
    }

    /// Accepts a connection if there is one.
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
                // A connection that its peer closed before it was accepted does not end the wait.
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
