//! Opens the channel that a URI names: `migration/socket.c`, `exec.c`, `fd.c`, `file.c`.

mod channel;
mod command;
mod listener;
mod removed;
mod stop;
mod tcp;
mod unix;
mod uri;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{FileType, OFlags};

use command::shell;
use removed::RemovedOnDrop;
use tcp::{connect_tcp, listen_tcp};
use unix::{connect_unix, listen_unix};

pub(crate) use channel::{Channel, ChannelReader, NotTaken};
pub(crate) use listener::Listener;
pub(crate) use stop::{Asked, Event, StopReason, StopRequest, Woken, stopped};
pub use uri::{Uri, UriError};

/// A URI and, for `fd:N`, the descriptor that it stands for.
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
    /// Makes the endpoint `fd:N` with the descriptor that had the number N. The engine takes no
    /// descriptor by its number, because only the code that started the process knows that no other
    /// code owns it.
    pub fn with_fd(uri: Uri, fd: OwnedFd) -> Self {
        Endpoint { uri, fd: Some(fd) }
    }

    /// Returns whether the endpoint accepts more than one connection.
    pub(crate) fn has_many_channels(&self) -> bool {
        matches!(self.uri, Uri::Unix(_) | Uri::Tcp(_))
    }

    /// Returns the URI.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Opens the channel to send on.
    pub(crate) fn connect(&mut self, stop: &StopRequest) -> io::Result<Channel> {
        match &self.uri {
            Uri::Unix(path) => connect_unix(path, stop),
            Uri::Tcp(address) => connect_tcp(address, stop),
            Uri::Fd(number) => inherited(*number, self.fd.take()),
            Uri::Exec(command) => {
                // The command's output is for people, so it goes to standard error like the
                // messages of this process.
                let (mut shell, group) = shell(command);
                let mut child = shell.stdin(Stdio::piped()).stdout(io::stderr()).spawn()?;
                let stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
                Channel::of_command(stdin.into(), child, group)
            }
            Uri::File { path, offset } => {
                if *offset == 0 {
                    return Channel::of_whole_file(path);
                }
                let (mut file, made) = open_or_make(path)?;
                file.set_len(*offset)?;
                file.seek(SeekFrom::Start(*offset))?;
                Channel::of_made_file(file, made)
            }
        }
    }

    /// Opens the listener at which the source is expected.
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

/// Opens a file for writing. A file that did not exist before is removed if the migration fails.
fn open_or_make(path: &Path) -> io::Result<(File, Option<RemovedOnDrop>)> {
    match without_waiting().write(true).open(path) {
        Ok(file) => Ok((file, None)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = without_waiting().write(true).create(true).mode(0o600).open(path)?;
            Ok((file, Some(RemovedOnDrop::new(path.to_owned())?)))
        }
        Err(error) => Err(error),
    }
}

/// Returns options that open a file without waiting for the other end, as a named pipe would.
fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
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
