//! A client of QEMU's machine protocol, as small as these tests need it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::wait;

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
