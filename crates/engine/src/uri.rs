//! Where a migration goes to or comes from, in QEMU's words: `unix:PATH`, `tcp:HOST:PORT`,
//! `fd:N`, `exec:COMMAND`, `file:PATH[,offset=N]`.

use std::fmt;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::str::FromStr;

/// A migration URI (`migration/channel.c`, `migrate_uri_parse`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// A unix stream socket.
    Unix(PathBuf),
    /// A TCP address, as `host:port`.
    Tcp(String),
    /// A file descriptor that this process was started with. The migration closes it.
    Fd(RawFd),
    /// A shell command: its standard input when sending, its output when receiving.
    Exec(String),
    /// A file, from `offset` bytes on.
    File {
        /// Which file.
        path: PathBuf,
        /// Where in it the stream starts, in bytes.
        offset: u64,
    },
}

/// A URI that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{uri}` is not a migration URI: {reason}")]
pub struct UriError {
    uri: String,
    reason: &'static str,
}

const FORMS: &str = "expected unix:PATH, tcp:HOST:PORT, fd:N, exec:COMMAND or file:PATH[,offset=N]";

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let refuse = |reason| UriError { uri: text.to_owned(), reason };
        let (scheme, rest) = text.split_once(':').ok_or_else(|| refuse(FORMS))?;
        if rest.is_empty() {
            return Err(refuse("nothing follows the colon"));
        }
        match scheme {
            "unix" => Ok(Uri::Unix(rest.into())),
            "tcp" => match rest.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Ok(Uri::Tcp(rest.to_owned()))
                }
                _ => Err(refuse("expected tcp:HOST:PORT with a port from 0 to 65535")),
            },
            "fd" => match rest.parse() {
                Ok(fd) if fd >= 0 => Ok(Uri::Fd(fd)),
                _ => Err(refuse("expected the number of a file descriptor")),
            },
            "exec" => Ok(Uri::Exec(rest.to_owned())),
            "file" => {
                let (path, offset) = match rest.split_once(",offset=") {
                    None => (rest, 0),
                    Some((path, offset)) => (
                        path,
                        offset
                            .parse()
                            .map_err(|_| refuse("the offset is not a number of bytes"))?,
                    ),
                };
                Ok(Uri::File { path: path.into(), offset })
            }
            _ => Err(refuse(FORMS)),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uri::Unix(path) => write!(f, "unix:{}", path.display()),
            Uri::Tcp(address) => write!(f, "tcp:{address}"),
            Uri::Fd(fd) => write!(f, "fd:{fd}"),
            Uri::Exec(command) => write!(f, "exec:{command}"),
            Uri::File { path, offset: 0 } => write!(f, "file:{}", path.display()),
            Uri::File { path, offset } => write!(f, "file:{},offset={offset}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_it_prints() {
        for text in [
            "unix:/a/b:c",
            "tcp:127.0.0.1:4444",
            "tcp:[::1]:0",
            "fd:3",
            "exec:cat > a, b",
            "file:/a",
            "file:/a,offset=4096",
        ] {
            assert_eq!(text.parse::<Uri>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_uri_is_refused_with_the_text_in_the_message() {
        for text in [
            "",
            "unix",
            "unix:",
            "tcp:4444",
            "tcp::1",
            "tcp:h:65536",
            "tcp:h:",
            "fd:x",
            "fd:-1",
            "file:/a,offset=x",
            "rdma:h:1",
            "exec:",
        ] {
            let error = text.parse::<Uri>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}`")), "{error}");
        }
    }
}
