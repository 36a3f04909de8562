//! `lastref` at one end.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use test_support::program::{self, Program};

use super::Outcome;
use super::cpu;
use super::qemu::Sent;

const BINARY: &str = env!("CARGO_BIN_EXE_lastref");

/// What it says of itself.
pub(crate) fn version() -> Outcome<String> {
    let output = Command::new(BINARY).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether it can use several channels.
pub(crate) fn has_channels() -> Outcome<bool> {
    let output = Command::new(BINARY).args(["send", "--help"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains("--channels"))
}

/// What both ends are told alike.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    pub(crate) ram: &'a Path,
    pub(crate) preallocated: bool,
    pub(crate) channels: usize,
    pub(crate) folder: &'a Path,
}

/// Starts `lastref send`; it begins to send at once, after it has touched its RAM.
pub(crate) fn send(options: Options<'_>, wishes: &[&str], uri: &str) -> Program {
    start("send", options, wishes, uri)
}

/// Starts `lastref receive`.
pub(crate) fn receive(options: Options<'_>, bytes: u64, uri: &str) -> Program {
    start("receive", options, &["--memory", &bytes.to_string()], uri)
}

fn start(role: &str, options: Options<'_>, more: &[&str], uri: &str) -> Program {
    let mut command = program::command(Path::new(BINARY), None);
    command.args([role, "--json", "--ram"]).arg(options.ram).args(more);
    if options.preallocated {
        command.arg("--prealloc");
    }
    if options.channels > 1 {
        command.arg("--channels").arg(options.channels.to_string());
    }
    command.arg(uri);
    Program::start(&format!("lastref-{role}"), command, options.folder)
}

/// Runs `lastref demo`: a machine that dirties its memory at a rate moves over a link of another.
/// Returns its downtime in milliseconds, or an error if not every write of it was there.
pub(crate) fn demo(memory: u64, link: u64, dirty_rate: u64, folder: &Path) -> Outcome<f64> {
    let mut command = program::command(Path::new(BINARY), None);
    command.args(["demo", "--json", "--memory", &memory.to_string()]);
    command.args(["--max-bandwidth", &link.to_string(), "--dirty-rate", &dirty_rate.to_string()]);
    let (report, _) = completed(Program::start("lastref-demo", command, folder))?;
    if report["verified"] != true {
        return Err(format!("a machine that was verified expected, found {report}").into());
    }
    downtime(&report)
}

/// What `send` uses before the first byte and after the last, in seconds: it is sent to where
/// nobody can listen, and finds that out when its RAM is there.
pub(crate) fn cpu_of_a_start(options: Options<'_>) -> Outcome<f64> {
    let nowhere = format!("unix:{}", options.folder.join("nobody/listens").display());
    let before = cpu::of_children()?;
    let finished = send(options, &[], &nowhere).finish();
    if !finished.stdout.contains(r#""failed""#) {
        return Err(format!("a failure to connect expected from {finished}").into());
    }
    Ok((cpu::of_children()? - before).as_secs_f64())
}

/// Waits for the end of `send`; returns also the seconds of CPU from its first to its last moment.
pub(crate) fn finish(program: Program) -> Outcome<(Sent, f64)> {
    let (report, cpu) = completed(program)?;
    let sent = Sent { began: None, seconds: seconds(&report)?, downtime: downtime(&report)? };
    Ok((sent, cpu))
}

/// Waits for the end of `receive`; returns its seconds of CPU.
pub(crate) fn finish_receiving(program: Program) -> Outcome<f64> {
    Ok(completed(program)?.1)
}

fn completed(program: Program) -> Outcome<(Value, f64)> {
    let before = cpu::of_children()?;
    let finished = program.finish();
    let cpu = (cpu::of_children()? - before).as_secs_f64();
    let report: Value = serde_json::from_str(&finished.stdout)
        .map_err(|error| format!("one JSON object expected ({error}) from {finished}"))?;
    if report["status"] != "completed" {
        return Err(format!("a migration that completes expected from {finished}").into());
    }
    Ok((report, cpu))
}

fn downtime(report: &Value) -> Outcome<f64> {
    Ok(report["downtime"].as_f64().ok_or("no downtime in the report")?)
}

/// The total time, finer than the milliseconds of `total-time`: `mbps` was computed from the same
/// time before that was cut.
fn seconds(report: &Value) -> Outcome<f64> {
    let number = |value: &Value| value.as_f64().ok_or("a number is missing in the report");
    let ram = &report["ram"];
    let seconds = number(&ram["transferred"])? * 8e-6 / number(&ram["mbps"])?;
    let milliseconds = number(&report["total-time"])?;
    // A bit more than what was cut: `mbps` is a rounded number too.
    if !(-0.01..1.01).contains(&(seconds * 1e3 - milliseconds)) {
        return Err(format!(
            "`mbps` is of {seconds} s and `total-time` is {milliseconds} ms: they must be of one time"
        )
        .into());
    }
    Ok(seconds)
}
