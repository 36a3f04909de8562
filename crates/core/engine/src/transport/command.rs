//! The shell command of `exec:`: `migration/exec.c`.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};

use super::channel::NotTaken;
use super::stop::StopRequest;

/// How long a command may take to end that has closed its pipe before the end of the stream.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// The last exit status that is a command's own word. Beyond it a shell tells the signal that killed
/// what it ran, and `ssh` that it failed itself.
const OWN_CODES: i32 = 128;

/// A shell that runs `command`, and whether it has a process group of its own.
///
/// In a group of its own it can be ended whole, and Ctrl-C is ours to handle. But then it is in the
/// background of a terminal, where nothing can be asked for, such as the password that `ssh` wants.
/// So a process in the foreground keeps the command beside it.
pub(super) fn shell(command: &str) -> (Command, bool) {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    let group = !is_in_the_foreground();
    if group {
        shell.process_group(0);
    }
    (shell, group)
}

/// Whether this process may read from its terminal, if it has one.
fn is_in_the_foreground() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(terminal) = rustix::fs::open("/dev/tty", flags, Mode::empty()) else { return false };
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// A shell command at the other end. Dropping it kills it, and what it has started.
#[derive(Debug)]
pub(super) struct ShellCommand {
    child: Child,
    /// Whether it leads a process group.
    group: bool,
}

impl ShellCommand {
    pub(super) fn new(child: Child, group: bool) -> Self {
        ShellCommand { child, group }
    }

    /// How it failed that has closed its pipe before the end of the stream, if it did.
    pub(super) fn failed(&mut self, stop: &StopRequest) -> Option<ExitStatus> {
        let _ended = self.wait_until(stop, Instant::now() + LAST_BREATH);
        let status = self.child.try_wait().ok()??;
        (!status.success()).then_some(status)
    }

    fn wait_until(&self, stop: &StopRequest, deadline: Instant) -> io::Result<()> {
        let pid = Pid::from_child(&self.child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
        stop.wait_for(pidfd.as_fd(), PollFlags::IN, Some(deadline)).map(drop)
    }

    /// Waits for its end, and what it says of the stream.
    pub(super) fn wait(mut self, stop: &StopRequest) -> Result<(), NotTaken> {
        let status = self.end(stop).map_err(NotTaken::Unknown)?;
        if status.success() {
            Ok(())
        } else {
            let source = io::Error::other(format!("the command ended with {status}"));
            Err(match status.code() {
                Some(..=OWN_CODES) => NotTaken::Refused(source),
                _ => NotTaken::Unknown(source),
            })
        }
    }

    fn end(&mut self, stop: &StopRequest) -> io::Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
        stop.wait_until_ready(pidfd.as_fd(), PollFlags::IN)?;
        self.child.wait()
    }
}

impl Drop for ShellCommand {
    fn drop(&mut self) {
        // A child that was waited for is not there to kill, and its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = Pid::from_child(&self.child);
            if self.group {
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            } else {
                for pid in [pid].into_iter().chain(descendants(pid)) {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
            }
            let _ = self.child.wait();
        }
    }
}

/// The processes that `ancestor` has started, and they in turn, as far as they are known now.
fn descendants(ancestor: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?)?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name is in parentheses and may hold anything; the state and the parent follow.
            let parent = stat.rsplit_once(") ")?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, Pid::from_raw(parent)?))
        })
        .collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
    }
    found.split_off(1)
}
