//! Parses and prints the URI of a migration, as QEMU writes it: `unix:PATH`, `tcp:HOST:PORT`,
//! `fd:N`, `exec:COMMAND`, `file:PATH[,offset=N]`.

use std::ffi::OsString;
use std::fmt;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A migration URI (`migration/channel.c`, `migrate_uri_parse`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// A unix stream socket. A path that begins with a zero byte is a name in the abstract
    /// namespace, which has no file ([`Uri::unix_abstract`]).
    Unix(PathBuf),
    /// A TCP address, as `host:port`. Without a host, a listener uses every address of this
    /// machine, and a source connects to this machine.
    Tcp(String),
    /// A file descriptor that this process was started with. The migration closes it.
    Fd(RawFd),
    /// A shell command: its standard input when sending, its standard output when receiving.
    Exec(String),
    /// A file, from `offset` bytes on.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The offset at which the stream starts, in bytes.
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

impl Uri {
    /// Makes the URI of a unix stream socket with a name in the abstract namespace (`unix(7)`). The
    /// socket has no file, ends with its listener, and is open to every process of the network
    /// namespace. When listening, an empty name means any free name.
    ///
    /// QEMU has these sockets (`abstract` of `UnixSocketAddress`), but no URI for them; this one
    /// prints as `unix:@NAME`.
    pub fn unix_abstract(name: &str) -> Self {
        Uri::Unix(abstract_path(name.as_bytes()))
    }
}

pub(crate) fn abstract_path(name: &[u8]) -> PathBuf {
    OsString::from_vec([b"\0", name].concat()).into()
}

pub(crate) fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().first() == Some(&0)
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
                Some((_, port)) if port.parse::<u16>().is_ok() => Ok(Uri::Tcp(rest.to_owned())),
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
                        size(offset)
                            .ok_or_else(|| refuse("the offset is not a number of bytes"))
                            .and_then(|offset| match offset {
                            ..=MAX_OFFSET => Ok(offset),
                            _ => Err(refuse("no file is so long")),
                        })?,
                    ),
                };
                Ok(Uri::File { path: path.into(), offset })
            }
            _ => Err(refuse(FORMS)),
        }
    }
}

/// Parses a number of bytes as QEMU does (`qemu_strtosz`): decimal with a suffix from B to E, or
/// hexadecimal without a suffix.
fn size(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return all.then(|| u64::from_str_radix(digits, 16).ok())?;
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let power = match &text[digits.len()..] {
        "" | "b" | "B" => 0,
        "k" | "K" => 1,
        "m" | "M" => 2,
        "g" | "G" => 3,
        "t" | "T" => 4,
        "p" | "P" => 5,
        "e" | "E" => 6,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << (10 * power))
}

/// The highest offset in a file.
const MAX_OFFSET: u64 = i64::MAX as u64;

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uri::Unix(path) if is_abstract(path) => {
                write!(f, "unix:@{}", path.as_os_str().as_bytes()[1..].escape_ascii())
            }
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
            "tcp::4444",
            "fd:3",
            "exec:cat > a, b",
            "file:/a",
            "file:/a,offset=4096",
        ] {
            assert_eq!(text.parse::<Uri>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn an_abstract_name_is_told_from_a_path() {
        assert_eq!(Uri::unix_abstract("name").to_string(), "unix:@name");
        let path: Uri = "unix:@name".parse().expect("a path, as QEMU takes it");
        assert_eq!(path, Uri::Unix("@name".into()));
        assert_ne!(path, Uri::unix_abstract("name"));
    }

    #[test]
    fn an_offset_is_read_in_qemus_words() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("4K", 4096),
            ("4k", 4096),
            ("0x1000", 4096),
            ("0X1000", 4096),
            ("0xB", 11),
            ("2M", 2 << 20),
            ("7E", 7 << 60),
        ] {
            let uri: Uri = format!("file:/a,offset={text}").parse().expect(text);
            assert_eq!(uri, Uri::File { path: "/a".into(), offset: bytes }, "{text}");
        }
    }

    #[test]
    fn what_is_no_uri_is_refused_with_the_text_in_the_message() {
        for text in [
            "",
            "unix",
            "unix:",
            "tcp:4444",
            "tcp:h:65536",
            "tcp:h:",
            "fd:x",
            "fd:-1",
            "file:/a,offset=x",
            "file:/a,offset=",
            "file:/a,offset=-1",
            "file:/a,offset=+1",
            "file:/a,offset=0x",
            "file:/a,offset=0x+1",
            "file:/a,offset=4KB",
            "file:/a,offset=1.5K",
            "file:/a,offset=99E",
            "file:/a,offset=8E",
            "file:/a,offset=18446744073709551615",
            "rdma:h:1",
            "exec:",
        ] {
            let error = text.parse::<Uri>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}`")), "{error}");
        }
    }
}
