//! A real QEMU as one end: `-M none`, whose machine runs although it has no processor, with its
//! RAM in a file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::qmp::QmpListener;

use super::Trouble;
use super::contents::{MEMORY, compare_file};
use super::ends::{ANSWER, Cancel, End, Reaped, Target, dead, guarded, lock, nothing};
use super::role::{Check, Ended, Has};

/// How long a QEMU may take to answer. Some do not while their migration waits for its peer.
const QMP_ANSWER: Duration = Duration::from_secs(5);

/// A QEMU that is there.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    pub(crate) version: (u32, u32),
}

impl Binary {
    /// Asks the program at `path` for its version.
    pub(crate) fn find(path: &Path) -> Result<Binary, Trouble> {
        let output = Command::new(path).arg("--version").output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().find_map(|word| {
            let mut numbers = word.split('.').map(str::parse::<u32>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        let version = version.ok_or_else(|| format!("no version in {text:?}"))?;
        Ok(Binary { path: path.to_owned(), version })
    }

    /// Returns whether a source has to send as a QEMU before 8.1 does.
    pub(crate) fn is_old(&self) -> bool {
        self.version < (8, 1)
    }
}

/// A client of QEMU's machine protocol.
pub(crate) struct Qmp(BufReader<UnixStream>);

impl Qmp {
    fn new(stream: UnixStream) -> io::Result<Qmp> {
        stream.set_read_timeout(Some(QMP_ANSWER))?;
        let mut qmp = Qmp(BufReader::new(stream));
        qmp.message()?;
        qmp.execute("qmp_capabilities", None)?;
        Ok(qmp)
    }

    /// Runs a command; events are dropped.
    pub(crate) fn execute(&mut self, command: &str, arguments: Option<Value>) -> io::Result<Value> {
        let mut request = json!({ "execute": command });
        if let Some(arguments) = arguments {
            request["arguments"] = arguments;
        }
        self.0.get_mut().write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut message = self.message()?;
            if let Some(result) = message.get_mut("return") {
                return Ok(result.take());
            }
            if let Some(error) = message.get("error") {
                return Err(io::Error::other(format!("{command}: {error}")));
            }
        }
    }

    fn message(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

/// A running QEMU.
pub(crate) struct Qemu {
    is_source: bool,
    /// The machine that comes did not run at its source, and does not here.
    is_paused: bool,
    ram: PathBuf,
    child: Reaped,
    qmp: Arc<Mutex<Qmp>>,
    target: Target,
    ended: Option<Ended>,
    /// It did not answer, and was killed for that.
    hangs: bool,
}

impl Qemu {
    /// Starts one whose RAM is the file at `ram`.
    pub(crate) fn start(
        binary: &Binary,
        is_source: bool,
        channels: Option<u8>,
        return_path: bool,
        ram: &Path,
        logs: &Path,
    ) -> Result<Qemu, Trouble> {
        let name = if is_source { "qemu-source" } else { "qemu-destination" };
        let control = QmpListener::bind(logs.join(format!("{name}.qmp")))?;
        let mut command = guarded(&binary.path)?;
        command
            .args(["-nodefaults", "-display", "none", "-M", "none,memory-backend=ram"])
            .arg("-m")
            .arg(format!("{}M", MEMORY >> 20))
            .arg("-object")
            .arg(format!(
                "memory-backend-file,id=ram,size={MEMORY},share=on,mem-path={}",
                ram.display()
            ))
            .arg("-qmp")
            .arg(control.option());
        if !is_source {
            command.args(["-incoming", "defer"]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(logs.join(format!("{name}.stderr")))?)
            .spawn()?;
        let mut child = Reaped(child);
        let began = Instant::now();
        let stream = loop {
            match control.accept() {
                Some(stream) => break stream,
                None if began.elapsed() > ANSWER => return Err("QEMU does not connect".into()),
                None if child.0.try_wait()?.is_some() => return Err("QEMU does not start".into()),
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        let mut qmp = Qmp::new(stream)?;
        let mut capabilities = Vec::new();
        if channels.is_some() {
            capabilities.push(json!({ "capability": "multifd", "state": true }));
        }
        if return_path && is_source {
            capabilities.push(json!({ "capability": "return-path", "state": true }));
        }
        if !capabilities.is_empty() {
            let capabilities = json!({ "capabilities": capabilities });
            qmp.execute("migrate-set-capabilities", Some(capabilities))?;
        }
        let mut parameters = json!({ "max-bandwidth": 1_u64 << 40 });
        if let Some(channels) = channels {
            parameters["multifd-channels"] = channels.into();
        }
        qmp.execute("migrate-set-parameters", Some(parameters))?;
        let (qmp, target) = (Arc::new(Mutex::new(qmp)), Target::default());
        target.set(&child.0, Cancel::Qmp(Arc::clone(&qmp)))?;
        Ok(Qemu {
            is_source,
            is_paused: false,
            ram: ram.to_owned(),
            child,
            qmp,
            target,
            ended: None,
            hangs: false,
        })
    }

    /// Tells that the machine that comes does not run.
    pub(crate) fn paused(mut self) -> Self {
        self.is_paused = true;
        self
    }

    /// Runs a command; `None` if the process is gone.
    fn execute(
        &mut self,
        command: &str,
        arguments: Option<Value>,
    ) -> Result<Option<Value>, Trouble> {
        let done = lock(&self.qmp).execute(command, arguments);
        match done {
            Ok(reply) => Ok(Some(reply)),
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset => Ok(None),
                // Its user ends one whose monitor is dead.
                io::ErrorKind::WouldBlock => {
                    self.hangs = true;
                    let _ = self.child.0.kill();
                    Ok(None)
                }
                _ => Err(error.into()),
            },
        }
    }

    fn runs(&mut self) -> Result<bool, Trouble> {
        let status = self.execute("query-status", None)?;
        Ok(status.is_some_and(|status| status["running"] == true))
    }
}

impl End for Qemu {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn begin(&mut self, uri: &str) -> Result<(), Trouble> {
        let command = if self.is_source { "migrate" } else { "migrate-incoming" };
        self.execute(command, Some(json!({ "uri": uri })))?;
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Ended>, Trouble> {
        if self.ended.is_none() {
            match self.execute("query-migrate", None)? {
                None => self.ended = Some(dead(self.child.end())),
                Some(reply) => {
                    let status = reply["status"].as_str().unwrap_or("none");
                    if ["completed", "failed", "cancelled"].contains(&status) {
                        self.ended = Some(Ended {
                            status: status.to_owned(),
                            error: reply["error-desc"].as_str().map(str::to_owned),
                            unconfirmed: false,
                            at: machine::monotonic(),
                        });
                    }
                }
            }
        }
        Ok(self.ended.clone())
    }

    fn check(&mut self) -> Result<Check, Trouble> {
        if let Some(status) = self.child.0.try_wait()? {
            // A destination that could not load the stream ends by itself.
            let by_itself = status.code().is_some() || self.hangs;
            return Ok(nothing(if by_itself && !self.is_source {
                Has::NotHere
            } else {
                Has::Dead
            }));
        }
        let completed = self.ended.as_ref().is_some_and(|ended| ended.status == "completed");
        let runs = self.runs()? || completed && self.is_paused;
        let has = match (runs, completed == self.is_source) {
            (true, _) => Has::Runs,
            (false, false) => Has::Stopped,
            // A source that is done can be let go on too, which is for a person to decide.
            (false, true) => Has::NotHere,
        };
        let damage = if runs { compare_file(&self.ram).err() } else { None };
        Ok(Check { damage, ..nothing(has) })
    }

    fn cont(&mut self) -> Result<(), String> {
        match self.execute("cont", None) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("QEMU is gone".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn hangs(&self) -> bool {
        self.hangs
    }

    fn quit(&mut self) {
        // It may be gone before it answers.
        let _ = self.execute("quit", None);
        self.child.end();
    }
}
