//! A child process whose output is kept, whose end can be waited for, and
//! which does not outlive the value that stands for it.

use std::fmt;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::wait;

/// The number under which a program started by [`command`] finds the
/// descriptor handed to it.
pub const INHERITED_FD: i32 = 3;

/// How to start `binary`, with `inherited` as descriptor [`INHERITED_FD`].
///
/// The standard library can hand on only descriptors 0 to 2, so a shell moves
/// it and then becomes the program: the process id is the program's.
pub fn command(binary: &Path, inherited: Option<OwnedFd>) -> Command {
    let Some(inherited) = inherited else {
        let mut command = with_default_signals();
        command.arg(binary).stdin(Stdio::null());
        return command;
    };
    let mut command = with_default_signals();
    command
        .args(["sh", "-c"])
        .arg(format!(r#"exec "$0" "$@" {INHERITED_FD}<&0 0</dev/null"#))
        .arg(binary)
        .stdin(inherited);
    command
}

/// A command for the program whose name and arguments are added. The tests themselves may have been
/// started with signals ignored, by `nohup` or in the background of a shell.
pub fn with_default_signals() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal");
    command
}

/// A running child process; killed when dropped.
pub struct Program {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Program {
    /// Starts `command` with its output going to files called after `name` in
    /// `logs`, so that it can write as much as it likes without being read.
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Program {
        let stdout = logs.join(format!("{name}.stdout"));
        let stderr = logs.join(format!("{name}.stderr"));
        let create = |path: &Path| File::create(path).expect("a log file can be made");
        let child = command
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}: {command:?}"));
        Program { name: name.to_owned(), child, stdout, stderr }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child is known")
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When it still runs at the deadline.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let status = wait::until(&mut self, Program::ended, |program| {
            format!("the end of {}", program.report())
        });
        Finished {
            status,
            report: self.report(),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Its state and all it has written, for assertion messages.
    pub fn report(&mut self) -> String {
        let state = match self.ended() {
            None => "still running".to_owned(),
            Some(status) => status.to_string(),
        };
        format!(
            "{} ({state})\n--- its standard output\n{}\n--- its standard error\n{}\n---",
            self.name,
            read(&self.stdout).trim_end(),
            read(&self.stderr).trim_end(),
        )
    }

    /// Stops it where it is (SIGSTOP): its sockets stay, nobody reads them.
    /// Returns once the kernel says that it has stopped.
    pub fn suspend(&mut self) {
        let pid = self.id();
        let sent = Command::new("sh")
            .arg("-c")
            .arg(r#"kill -STOP "$0""#)
            .arg(pid.to_string())
            .status()
            .expect("a shell");
        assert!(sent.success(), "SIGSTOP not sent to {}", self.report());
        wait::until(
            self,
            |_| is_stopped(pid).then_some(()),
            |program| format!("a stop of {}", program.report()),
        );
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a program ended, and all it wrote.
pub struct Finished {
    status: ExitStatus,
    report: String,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Finished {
    /// Fails the test unless the exit status is `code`.
    #[track_caller]
    pub fn assert_exit(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "exit status of {self}");
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.report)
    }
}

/// Whether every thread of a process is in state T.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name is in parentheses and may hold anything; the state follows.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
