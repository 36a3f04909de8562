//! A client of QEMU's machine protocol, as small as these tests need it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::wait;

/// A socket that a QEMU connects its monitor to, as the first thing that it does.
///
/// A QEMU that listens itself takes a connection before it can answer, and 10.0.2 was seen never to
/// answer such an early one (once in about 800 starts on a busy machine).
#[derive(Debug)]
pub struct QmpListener {
    listener: UnixListener,
    path: PathBuf,
}

impl QmpListener {
    /// Makes the socket.
    pub fn bind(path: PathBuf) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(QmpListener { listener, path })
    }

    /// Returns the value of QEMU's option `-qmp`.
    pub fn option(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// Returns the connection, once it is there.
    pub fn accept(&self) -> Option<UnixStream> {
        let (stream, _) = self.listener.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        Some(stream)
    }
}

/// A QMP connection past its capability negotiation.
pub struct Qmp {
    stream: BufReader<UnixStream>,
    /// Events that came before a reply.
    events: VecDeque<Value>,
}

impl Qmp {
    /// Reads the greeting and leaves negotiation mode.
    pub fn new(stream: UnixStream) -> io::Result<Qmp> {
        stream.set_read_timeout(Some(wait::DEADLINE))?;
        let mut qmp = Qmp { stream: BufReader::new(stream), events: VecDeque::new() };
        let greeting = qmp.message()?;
        if greeting.get("QMP").is_none() {
            return Err(io::Error::other(format!("not a QMP greeting: {greeting}")));
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command; its error reply is an error here. Events that come
    /// before the reply are kept for [`Qmp::event`].
    pub fn execute(&mut self, command: &str, arguments: Value) -> io::Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        // In one piece: QEMU acts on the last brace, and after `quit` nobody reads a newline.
        self.stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut message = self.message()?;
            if let Some(result) = message.get_mut("return") {
                return Ok(result.take());
            }
            if let Some(error) = message.get("error") {
                return Err(io::Error::other(format!("{command}: {error}")));
            }
            self.events.push_back(message);
        }
    }

    /// The next event, from the first one on.
    pub fn event(&mut self) -> io::Result<Value> {
        match self.events.pop_front() {
            Some(event) => Ok(event),
            None => self.message(),
        }
    }

    fn message(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}
