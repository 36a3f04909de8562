//! Runs the shell command of `exec:`, and ends it: `migration/exec.c`.

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

/// How long a command that has closed its pipe before the end of the stream may take to exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The highest exit status that a command sets by itself. Above it, a shell reports the signal that
/// killed the program it ran; 255 also means that `ssh` itself failed.
const MAX_OWN_EXIT_CODE: i32 = 128;

/// Returns a shell that runs `command`, and whether it has a process group of its own.
///
/// A command in its own group can be killed with all its processes, and does not get the Ctrl-C
/// meant for this process. But it is then in the background of the terminal and cannot prompt, for
/// example for the password that `ssh` asks for. So a process in the foreground keeps the command
/// in its own group.
pub(super) fn shell(command: &str) -> (Command, bool) {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    let group = !is_in_the_foreground();
    if group {
        shell.process_group(0);
    }
    (shell, group)
}

/// Returns whether this process may read from its terminal, if it has one.
fn is_in_the_foreground() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(terminal) = rustix::fs::open("/dev/tty", flags, Mode::empty()) else { return false };
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// A shell command at the other end. Dropping it kills the command and the processes that it
/// started.
#[derive(Debug)]
pub(super) struct ShellCommand {
    child: Child,
    /// Whether the command leads a process group.
    group: bool,
}

impl ShellCommand {
    pub(super) fn new(child: Child, group: bool) -> Self {
        ShellCommand { child, group }
    }

    /// Returns the exit status of a command that closed its pipe too early, if it failed. Waits a
    /// short time for its exit.
    pub(super) fn failed(&mut self, stop: &StopRequest) -> Option<ExitStatus> {
        let _ended = self.wait_until(stop, Instant::now() + EXIT_TIMEOUT);
        let status = self.child.try_wait().ok()??;
        (!status.success()).then_some(status)
    }

    fn wait_until(&self, stop: &StopRequest, deadline: Instant) -> io::Result<()> {
        let pid = Pid::from_child(&self.child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
        stop.wait_for(pidfd.as_fd(), PollFlags::IN, Some(deadline)).map(drop)
    }

    /// Waits for the command to exit, and converts its exit status to whether it took the stream.
    pub(super) fn wait(mut self, stop: &StopRequest) -> Result<(), NotTaken> {
        let status = self.end(stop).map_err(NotTaken::Unknown)?;
        if status.success() {
            Ok(())
        } else {
            let source = io::Error::other(format!("the command ended with {status}"));
            Err(match status.code() {
                Some(..=MAX_OWN_EXIT_CODE) => NotTaken::Refused(source),
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
        // A child that was waited for must not be killed, because its process id may have been
        // reused.
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

/// Returns the descendants of the process `ancestor`, as far as `/proc` shows them now.
fn descendants(ancestor: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?)?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The process name is in parentheses and may contain any character; the state and the
            // parent follow it.
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
