//! The program under test, and what every run of it has to keep to.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use test_support::peer;
use test_support::program::{Finished, INHERITED_FD, Program, command, with_default_signals};

/// The program with these arguments; `inherited` is there for [`inherited_uri`].
pub(crate) fn lastref(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    inherited: Option<OwnedFd>,
) -> Command {
    with_backtraces(command(&binary(), inherited), arguments)
}

/// The same with at most `kib` KiB of virtual memory.
pub(crate) fn lastref_within(
    kib: u64,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    inherited: OwnedFd,
) -> Command {
    let mut shell = with_default_signals();
    let script = format!(r#"ulimit -v {kib} && exec "$0" "$@" {INHERITED_FD}<&0 0</dev/null"#);
    shell.args(["sh", "-c", &script]).arg(binary()).stdin(inherited);
    with_backtraces(shell, arguments)
}

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_lastref"))
}

/// Whoever asks for backtraces gets one only if the program panics.
fn with_backtraces(
    mut command: Command,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    command.args(arguments).env("RUST_BACKTRACE", "1");
    command
}

/// The URI of the descriptor that [`lastref`] hands on.
pub(crate) fn inherited_uri() -> String {
    format!("fd:{INHERITED_FD}")
}

/// Runs `lastref` to its end; its output goes to `logs`.
#[track_caller]
pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, logs: &Path) -> Finished {
    Program::start("lastref", lastref(arguments, None), logs).finish()
}

/// Two ends of a connection: one for the test, one to hand on.
pub(crate) fn connection() -> (UnixStream, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    peer::limit(&ours);
    (ours, theirs.into())
}

/// Sends a signal to a program that runs.
#[track_caller]
pub(crate) fn signal(program: &Program, signal: Signal) {
    let pid = Pid::from_raw(program.id().cast_signed()).expect("a process id");
    kill_process(pid, signal).expect("a process that runs");
}

/// The one JSON object on standard output.
#[track_caller]
pub(crate) fn json(finished: &Finished) -> Value {
    assert_eq!(finished.stdout.lines().count(), 1, "one line expected from {finished}");
    let report: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("one JSON object expected ({error}) from {finished}"));
    assert!(report.is_object(), "one JSON object expected from {finished}");
    report
}

/// The one error on standard error, told to people: its line without what introduces it.
#[track_caller]
pub(crate) fn error_line(finished: &Finished) -> &str {
    for word in ["panicked", "backtrace", "RUST_"] {
        assert!(!finished.stderr.contains(word), "no {word:?} expected from {finished}");
    }
    let mut errors = finished.stderr.lines().filter_map(|line| {
        let line = line.trim_start();
        // That it was cancelled is said once, as the status.
        let cancelled = line.strip_prefix("status  ").filter(|status| *status == "cancelled");
        cancelled
            .or_else(|| line.strip_prefix("error  "))
            .or_else(|| line.strip_prefix("lastref: "))
    });
    let error = errors.next().unwrap_or_else(|| panic!("an error expected from {finished}"));
    assert_eq!(errors.next(), None, "one error expected from {finished}");
    error
}

/// Fails the test unless the run failed with one error that has all of these words.
#[track_caller]
pub(crate) fn assert_failed(finished: &Finished, words: &[impl AsRef<str>]) {
    finished.assert_exit(1);
    let error = error_line(finished);
    for word in words {
        let word = word.as_ref();
        assert!(error.contains(word), "{word:?} expected in the error of {finished}");
    }
}

/// Fails the test unless the report of a run with `--json` says `status`, and the same error as
/// standard error.
#[track_caller]
pub(crate) fn assert_reported(finished: &Finished, status: &str) {
    let report = json(finished);
    assert_eq!(report["status"], status, "status of {finished}");
    assert_eq!(report["error-desc"], error_line(finished), "error-desc of {finished}");
}
