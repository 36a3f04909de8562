//! A real QEMU at one end.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::net::sockopt::socket_peercred;
use serde_json::{Value, json};
use test_support::program::{self, Program};
use test_support::qmp::{Qmp, QmpListener};
use test_support::wait;

use super::Outcome;
use super::cpu;

/// More than any machine here moves in a second: no limit.
pub(crate) const NO_LIMIT: u64 = 1 << 40;

/// The program, and what it says of itself.
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    /// The first line of `--version`.
    pub(crate) version: String,
    /// Major and minor.
    number: (u32, u32),
}

impl Binary {
    /// The one that `LASTREF_QEMU_NEW` names, or the one on PATH.
    pub(crate) fn find() -> Outcome<Binary> {
        let named = env::var_os("LASTREF_QEMU_NEW").filter(|name| !name.is_empty());
        let path = PathBuf::from(named.unwrap_or(OsString::from("qemu-system-x86_64")));
        let output = Command::new(&path)
            .arg("--version")
            .output()
            .map_err(|error| format!("{} cannot be run: {error}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().unwrap_or_default().to_owned();
        let number = version
            .split_whitespace()
            .find_map(|word| {
                let mut parts = word.split('.');
                Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
            })
            .ok_or_else(|| format!("{} tells no version but {version:?}", path.display()))?;
        Ok(Binary { path, version, number })
    }

    /// What `lastref send` must be told when this one is the destination of several channels:
    /// older ones want a flush in every section, and know no zero pages in the channels.
    pub(crate) fn wishes_of_a_destination(&self) -> Vec<&'static str> {
        let mut wishes = Vec::new();
        if self.number < (8, 1) {
            wishes.push("--multifd-flush-after-each-section");
        }
        if self.number < (9, 0) {
            wishes.extend(["--zero-page-detection", "legacy"]);
        }
        wishes
    }
}

/// What a source says when it is done.
pub(crate) struct Sent {
    /// When it began, in seconds since 1970, if it says so.
    pub(crate) began: Option<f64>,
    /// From then until it was done.
    pub(crate) seconds: f64,
    /// As it reports it, in whole milliseconds.
    pub(crate) downtime: f64,
}

/// A running QEMU; killed when dropped.
pub(crate) struct Qemu {
    program: Program,
    qmp: Qmp,
}

impl Qemu {
    /// Starts QEMU with these arguments beside those that every run has.
    pub(crate) fn start(
        binary: &Binary,
        role: &str,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
        folder: &Path,
    ) -> Outcome<Qemu> {
        let control = QmpListener::bind(folder.join(format!("{role}.qmp")))?;
        let mut command = program::command(&binary.path, None);
        command.args(["-nodefaults", "-display", "none", "-qmp"]);
        command.arg(control.option());
        command.args(arguments.into_iter().map(Into::into));
        let mut program = Program::start(role, command, folder);
        let stream = wait::until(
            &mut program,
            |program| {
                if program.ended().is_some() {
                    return Some(Err(format!("QEMU should stay up: {}", program.report())));
                }
                control.accept().map(Ok)
            },
            |program| format!("a QMP connection from {}", program.report()),
        )?;
        // CPU and memory are asked of the process that was started.
        let peer = socket_peercred(&stream)?.pid.as_raw_nonzero().get();
        if peer != program.id().cast_signed() {
            return Err(format!(
                "{} starts QEMU as another process; a wrapper has to `exec` it",
                binary.path.display()
            )
            .into());
        }
        let mut qemu = Qemu { qmp: Qmp::new(stream)?, program };
        qemu.set_capability("events")?;
        Ok(qemu)
    }

    /// A paused machine without devices whose RAM is a file: the source, or with `incoming` a
    /// destination that is told later where to wait.
    pub(crate) fn machine_none(
        binary: &Binary,
        ram: &Path,
        bytes: u64,
        preallocated: bool,
        incoming: bool,
        folder: &Path,
    ) -> Outcome<Qemu> {
        let prealloc = if preallocated { "on" } else { "off" };
        let mut arguments = vec![
            "-M".to_owned(),
            "none,memory-backend=ram".to_owned(),
            "-m".to_owned(),
            format!("{}M", bytes >> 20),
            "-object".to_owned(),
            format!(
                "memory-backend-file,id=ram,size={bytes},share=on,prealloc={prealloc},mem-path={}",
                ram.display()
            ),
        ];
        if incoming {
            arguments.extend(["-incoming".to_owned(), "defer".to_owned()]);
        } else {
            arguments.push("-S".to_owned());
        }
        let role = if incoming { "qemu-destination" } else { "qemu-source" };
        Qemu::start(binary, role, arguments, folder)
    }

    /// One channel is the plain stream; more are multifd's.
    pub(crate) fn set_channels(&mut self, channels: usize) -> Outcome<()> {
        if channels > 1 {
            self.set_capability("multifd")?;
            self.execute("migrate-set-parameters", json!({ "multifd-channels": channels }))?;
        }
        Ok(())
    }

    pub(crate) fn set_capability(&mut self, name: &str) -> Outcome<()> {
        let capability = json!({ "capability": name, "state": true });
        self.execute("migrate-set-capabilities", json!({ "capabilities": [capability] }))?;
        Ok(())
    }

    pub(crate) fn set_bandwidth(&mut self, rate: u64) -> Outcome<()> {
        self.execute("migrate-set-parameters", json!({ "max-bandwidth": rate }))?;
        Ok(())
    }

    /// Waits for a source there, from when this returns.
    pub(crate) fn listen(&mut self, uri: &str) -> Outcome<()> {
        self.execute("migrate-incoming", json!({ "uri": uri }))?;
        Ok(())
    }

    /// Migrates, and waits until the source is done with it.
    pub(crate) fn migrate(&mut self, uri: &str) -> Outcome<Sent> {
        self.execute("migrate", json!({ "uri": uri }))?;
        let began = self.wait_for("setup")?;
        let seconds = self.wait_for("completed")? - began;
        let migration = self.execute("query-migrate", json!({}))?;
        let downtime = migration["downtime"].as_f64().ok_or("QEMU reports no downtime")?;
        Ok(Sent { began: Some(began), seconds, downtime })
    }

    /// Waits for the event of a status; returns when it was, in seconds since 1970.
    pub(crate) fn wait_for(&mut self, status: &str) -> Outcome<f64> {
        loop {
            let event = self.event("MIGRATION")?;
            let now = event["data"]["status"].as_str().unwrap_or_default();
            if now == status {
                return time(&event);
            }
            if ["failed", "cancelled", "completed"].contains(&now) {
                let migration = self.execute("query-migrate", json!({}))?;
                return Err(format!(
                    "expected status {status}, found {migration} in {}",
                    self.program.report()
                )
                .into());
            }
        }
    }

    /// Waits for an event; returns when it was, in seconds since 1970.
    pub(crate) fn time_of(&mut self, name: &str) -> Outcome<f64> {
        time(&self.event(name)?)
    }

    /// The next event of that name; those before it are dropped.
    fn event(&mut self, name: &str) -> Outcome<Value> {
        loop {
            let event = self.qmp.event().map_err(|error| {
                format!("no event {name} ({error}) from {}", self.program.report())
            })?;
            if event["event"] == name {
                return Ok(event);
            }
        }
    }

    /// What the process has used until now, in seconds.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        Ok(cpu::of_process(self.program.id())?.as_secs_f64())
    }

    pub(crate) fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    pub(crate) fn id(&self) -> u32 {
        self.program.id()
    }

    /// Ends it; returns what the process has used to its last moment, in seconds.
    pub(crate) fn quit(mut self) -> Outcome<f64> {
        let before = cpu::of_children()?;
        self.execute("quit", json!({}))?;
        let finished = self.program.finish();
        let cpu = cpu::of_children()? - before;
        if !finished.stderr.is_empty() {
            return Err(format!("no complaint expected from {finished}").into());
        }
        Ok(cpu.as_secs_f64())
    }

    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Outcome<Value> {
        let reply = self.qmp.execute(command, arguments);
        reply.map_err(|error| format!("{error}\nin {}", self.program.report()).into())
    }
}

/// When an event was, in seconds since 1970.
fn time(event: &Value) -> Outcome<f64> {
    let part = |name: &str| event["timestamp"][name].as_f64();
    match (part("seconds"), part("microseconds")) {
        (Some(seconds), Some(microseconds)) => Ok(seconds + microseconds / 1e6),
        _ => Err(format!("no time in {event}").into()),
    }
}
