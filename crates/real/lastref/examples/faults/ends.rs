//! The two ends as the harness has them: processes that can be told something, killed, and asked
//! where the machine is.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Trouble;
use super::contents::compare_file;
use super::qemu::Qmp;
use super::role::{Check, Ended, Has, Order, Word};

/// How long an end may take to answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(20);

/// One end of a migration.
pub(crate) trait End {
    /// What faults are done to.
    fn target(&self) -> Target;

    /// Begins to migrate to `uri`, or to wait there.
    fn begin(&mut self, uri: &str) -> Result<(), Trouble>;

    /// Returns how the migration ended here, once it has.
    fn poll(&mut self) -> Result<Option<Ended>, Trouble>;

    /// Finds out what this end has of the machine, when its migration is over.
    fn check(&mut self) -> Result<Check, Trouble>;

    /// Lets the machine go on here.
    fn cont(&mut self) -> Result<(), String>;

    /// Returns whether it stopped answering, and had to be killed.
    fn hangs(&self) -> bool {
        false
    }

    /// Ends the process in good order.
    fn quit(&mut self);
}

/// A process that faults are done to, once it is there. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Target(Arc<Mutex<Option<Process>>>);

struct Process {
    pidfd: rustix::fd::OwnedFd,
    cancel: Cancel,
}

/// How a process is told to cancel its migration.
#[derive(Clone)]
pub(crate) enum Cancel {
    Order(Arc<Mutex<ChildStdin>>),
    Interrupt,
    Qmp(Arc<Mutex<Qmp>>),
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    pub(crate) fn set(&self, child: &Child, cancel: Cancel) -> Result<(), Trouble> {
        let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        *lock(&self.0) = Some(Process { pidfd, cancel });
        Ok(())
    }

    /// Sends a signal; `false` if there is no such process.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let process = lock(&self.0);
        process.as_ref().is_some_and(|process| pidfd_send_signal(&process.pidfd, signal).is_ok())
    }

    /// Waits until the process is gone.
    pub(crate) fn wait_for_end(&self) {
        if let Some(process) = &*lock(&self.0) {
            let limit = Timespec { tv_sec: 5, tv_nsec: 0 };
            let mut fds = [PollFd::new(&process.pidfd, PollFlags::IN)];
            // One that does not end is found later.
            let _ = poll(&mut fds, Some(&limit));
        }
    }

    /// Asks it to cancel its migration; `false` if it cannot be asked.
    pub(crate) fn cancel(&self) -> bool {
        let cancel = match &*lock(&self.0) {
            Some(process) => process.cancel.clone(),
            None => return false,
        };
        match cancel {
            Cancel::Order(stdin) => write_order(&stdin, &Order::Cancel).is_ok(),
            Cancel::Interrupt => self.signal(Signal::INT),
            Cancel::Qmp(qmp) => lock(&qmp).execute("migrate_cancel", None).is_ok(),
        }
    }
}

fn write_order(stdin: &Mutex<ChildStdin>, order: &Order) -> Result<(), Trouble> {
    let line = format!("{}\n", serde_json::to_string(order)?);
    Ok(lock(stdin).write_all(line.as_bytes())?)
}

/// Makes the command that becomes `program`, and ends with this process.
pub(crate) fn guarded(program: &Path) -> Result<Command, Trouble> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("guarded").arg("--").arg(program);
    Ok(command)
}

/// A child that is killed when dropped.
pub(crate) struct Reaped(pub(crate) Child);

impl Reaped {
    /// Waits for its end, and kills it if that takes too long.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(1));
        }
        None
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An end of ours that does what it is told.
pub(crate) struct Role {
    name: &'static str,
    child: Reaped,
    stdin: Arc<Mutex<ChildStdin>>,
    words: Receiver<Word>,
    target: Target,
    ended: Option<Ended>,
    began: bool,
}

impl Role {
    /// Starts the role `name` of this program.
    pub(crate) fn start(
        name: &'static str,
        arguments: &[String],
        logs: &Path,
    ) -> Result<Role, Trouble> {
        let mut child = Reaped(
            Command::new(std::env::current_exe()?)
                .arg(name)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(File::create(logs.join(format!("{name}.stderr")))?)
                .spawn()?,
        );
        let stdin = child.0.stdin.take().ok_or("no standard input")?;
        let stdout = child.0.stdout.take().ok_or("no standard output")?;
        let stdin = Arc::new(Mutex::new(stdin));
        let target = Target::default();
        target.set(&child.0, Cancel::Order(Arc::clone(&stdin)))?;
        let (say, words) = channel();
        thread::Builder::new().spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(word) = serde_json::from_str(&line) else { break };
                if say.send(word).is_err() {
                    break;
                }
            }
        })?;
        let mut role = Role { name, child, stdin, words, target, ended: None, began: false };
        match role.hear()? {
            Some(Word::Ready) => Ok(role),
            other => Err(format!("the {name} says {other:?} and not that it is ready").into()),
        }
    }

    /// Returns the next word; `None` if the process is gone.
    fn hear(&mut self) -> Result<Option<Word>, Trouble> {
        loop {
            match self.words.recv_timeout(ANSWER) {
                Ok(Word::Ended(ended)) => self.ended = Some(ended),
                Ok(word) => return Ok(Some(word)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("the {} does not answer", self.name).into());
                }
            }
        }
    }

    fn ask(&mut self, order: &Order) -> Result<Option<Word>, Trouble> {
        match write_order(&self.stdin, order) {
            Ok(()) => self.hear(),
            Err(_) => Ok(None),
        }
    }
}

impl End for Role {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn begin(&mut self, uri: &str) -> Result<(), Trouble> {
        self.began = true;
        match self.ask(&Order::Begin(uri.to_owned()))? {
            Some(Word::Began(Ok(()))) | None => Ok(()),
            other => Err(format!("the {} does not begin: {other:?}", self.name).into()),
        }
    }

    fn poll(&mut self) -> Result<Option<Ended>, Trouble> {
        while self.ended.is_none() {
            match self.words.try_recv() {
                Ok(Word::Ended(ended)) => self.ended = Some(ended),
                Ok(word) => return Err(format!("the {} says {word:?}", self.name).into()),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    self.ended = Some(dead(self.child.end()));
                }
            }
        }
        Ok(self.ended.clone())
    }

    fn check(&mut self) -> Result<Check, Trouble> {
        match self.ask(&Order::Check)? {
            Some(Word::Checked(check)) => Ok(check),
            None => Ok(nothing(Has::Dead)),
            other => Err(format!("the {} says {other:?}", self.name).into()),
        }
    }

    fn cont(&mut self) -> Result<(), String> {
        match self.ask(&Order::Cont) {
            Ok(Some(Word::Cont(done))) => done,
            other => Err(format!("the {} says {other:?}", self.name)),
        }
    }

    fn quit(&mut self) {
        // One that was killed hears nothing.
        let _ = write_order(&self.stdin, &Order::Quit);
        self.child.end();
    }
}

/// What is said of a process that ended without a word.
pub(crate) fn dead(status: Option<ExitStatus>) -> Ended {
    Ended {
        status: "dead".into(),
        error: status.map(|status| status.to_string()),
        unconfirmed: false,
        at: machine::monotonic(),
    }
}

pub(crate) fn nothing(has: Has) -> Check {
    Check { has, damage: None, position: None, arrived: None }
}

/// A run of the program `lastref`, `send` or `receive`.
pub(crate) struct Program {
    name: &'static str,
    logs: PathBuf,
    /// What it is started by.
    command: Vec<PathBuf>,
    /// The RAM file of `send`, or what `receive` makes.
    file: PathBuf,
    child: Option<Reaped>,
    target: Target,
    ended: Option<(Ended, bool)>,
}

impl Program {
    pub(crate) fn new(
        name: &'static str,
        command: Vec<PathBuf>,
        file: PathBuf,
        logs: &Path,
    ) -> Self {
        let (child, target) = (None, Target::default());
        Program { name, logs: logs.to_owned(), command, file, child, target, ended: None }
    }

    fn output(&self, which: &str) -> PathBuf {
        self.logs.join(format!("{}.{which}", self.name))
    }

    fn completed(&self) -> bool {
        self.ended.as_ref().is_some_and(|(ended, _)| ended.status == "completed")
    }
}

impl End for Program {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn begin(&mut self, uri: &str) -> Result<(), Trouble> {
        let (program, arguments) = self.command.split_first().ok_or("no command")?;
        let child = guarded(program)?
            .args(arguments)
            .arg("--json")
            .arg(uri)
            .stdin(Stdio::null())
            .stdout(File::create(self.output("stdout"))?)
            .stderr(File::create(self.output("stderr"))?)
            .spawn()?;
        self.target.set(&child, Cancel::Interrupt)?;
        self.child = Some(Reaped(child));
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Ended>, Trouble> {
        if let Some((ended, _)) = &self.ended {
            return Ok(Some(ended.clone()));
        }
        let child = self.child.as_mut().ok_or("it was not started")?;
        let Some(status) = child.0.try_wait()? else { return Ok(None) };
        let said: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(self.output("stdout"))?).unwrap_or_default();
        let ended = match said["status"].as_str() {
            Some(state) => {
                let error = said["error-desc"].as_str().map(str::to_owned);
                let unconfirmed =
                    error.as_ref().is_some_and(|error| error.contains("did not confirm it"));
                let at = machine::monotonic();
                let exit = status.code();
                if exit != Some(if state == "completed" && error.is_none() { 0 } else { 1 }) {
                    return Err(
                        format!("`{}` says {said} and ends with {status}", self.name).into()
                    );
                }
                Ended { status: state.to_owned(), error, unconfirmed, at }
            }
            None => dead(Some(status)),
        };
        // Ctrl-C before the program has taken the signal over ends it as any other.
        let too_early = status.signal() == Some(Signal::INT.as_raw())
            && fs::metadata(self.output("stderr"))?.len() == 0;
        self.ended = Some((ended.clone(), too_early || status.code().is_some()));
        Ok(Some(ended))
    }

    fn check(&mut self) -> Result<Check, Trouble> {
        let there = self.file.is_file();
        let damage = if there { compare_file(&self.file).err() } else { None };
        let killed = self.ended.as_ref().is_some_and(|(_, by_itself)| !by_itself);
        let unconfirmed = self.ended.as_ref().is_some_and(|(ended, _)| ended.unconfirmed);
        let has = match (self.name, self.completed()) {
            ("receive", _) if there => Has::Runs,
            ("receive", true) => {
                return Ok(Check {
                    damage: Some(format!("it completed, and {} is no file", self.file.display())),
                    ..nothing(Has::NotHere)
                });
            }
            ("receive", false) if killed => Has::Dead,
            ("receive", false) => Has::NotHere,
            (_, true) => Has::NotHere,
            _ if killed => Has::Dead,
            _ if unconfirmed => Has::Stopped,
            _ => Has::Runs,
        };
        // What `send` has sent stays in its file, whoever has the machine.
        Ok(Check { damage: if has == Has::NotHere { None } else { damage }, ..nothing(has) })
    }

    fn cont(&mut self) -> Result<(), String> {
        // Its user starts a machine of the file again.
        compare_file(&self.file)?;
        if let Some((ended, _)) = &mut self.ended {
            ended.unconfirmed = false;
        }
        Ok(())
    }

    fn quit(&mut self) {
        if let Some(child) = &mut self.child {
            child.end();
        }
    }
}
