//! A real QEMU: `-M none`, not running, with its RAM in a file.

use std::env;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::program::{self, Finished, Program};
use crate::qmp::{Qmp, QmpListener};
use crate::site::Site;
use crate::wait;

const BINARY: &str = "qemu-system-x86_64";

/// Each machine has one, as those of libvirt have.
pub const UUID: &str = "6c617374-7265-6600-8000-000000000001";

/// More than any machine here moves in a second: no limit.
const NO_LIMIT: u64 = 1 << 40;

/// Finds QEMU on PATH. Without one, a test that needs it says on standard
/// error that it was skipped; with `LASTREF_REQUIRE_QEMU=1` it fails.
///
/// # Panics
///
/// When there is no QEMU and the environment requires one.
pub fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|directory| directory.join(BINARY))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        let required = env::var_os("LASTREF_REQUIRE_QEMU").is_some_and(|value| value == "1");
        assert!(!required, "LASTREF_REQUIRE_QEMU=1 and no {BINARY} is on PATH");
        let thread = thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not `eprintln!`: the test harness keeps that from being seen.
        let _ = writeln!(io::stderr(), "{test}: skipped, because no {BINARY} is on PATH");
    }
    found
}

/// The QEMU that `LASTREF_QEMU_NEW` names; without one, a test that needs it says on standard
/// error that it was skipped.
///
/// # Panics
///
/// When it is named and not there.
pub fn find_new() -> Option<PathBuf> {
    let Some(path) = env::var_os("LASTREF_QEMU_NEW").map(PathBuf::from) else {
        let thread = thread::current();
        let test = thread.name().unwrap_or("a test");
        let _ = writeln!(io::stderr(), "{test}: skipped, because LASTREF_QEMU_NEW names no QEMU");
        return None;
    };
    assert!(path.is_file(), "LASTREF_QEMU_NEW={} is no file", path.display());
    Some(path)
}

/// What a source has to be told of this QEMU, so that it understands the channels of multifd.
///
/// # Panics
///
/// When it does not say which version it is.
pub fn dialect_of(binary: &Path) -> &'static [&'static str] {
    let output = Command::new(binary).arg("--version").output().expect("a QEMU");
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().find_map(|word| {
        let mut numbers = word.split('.').map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    match version.unwrap_or_else(|| panic!("a version in {text:?}")) {
        (..=7, _) | (8, 0) => {
            &["--multifd-flush-after-each-section", "--zero-page-detection=legacy"]
        }
        (8, _) => &["--zero-page-detection=legacy"],
        _ => &[],
    }
}

/// Whether the source opens a return path, on which the destination answers.
#[derive(Clone, Copy)]
pub enum ReturnPath {
    /// It listens to nobody.
    Off,
    /// It is answered.
    On,
}

/// A running QEMU and the QMP connection that drives it; killed when dropped.
pub struct Qemu {
    program: Program,
    qmp: Qmp,
}

impl Qemu {
    /// A stopped machine whose RAM is the file at [`Site::source_ram`].
    pub fn source(binary: &Path, site: &Site, size: u64, return_path: ReturnPath) -> Qemu {
        let mut qemu =
            Qemu::start(binary, site, "qemu-source", &site.source_ram(), size, None, None);
        qemu.limit_bandwidth(NO_LIMIT);
        if let ReturnPath::On = return_path {
            qemu.set_capability("return-path");
        }
        qemu
    }

    /// A machine that waits for a migration into the file at
    /// [`Site::destination_ram`]. It is not told to stop afterwards (`-S`):
    /// whether it runs then is for the stream to say. `inherited` is there for
    /// `fd:3`.
    pub fn destination(
        binary: &Path,
        site: &Site,
        size: u64,
        incoming: &str,
        inherited: Option<OwnedFd>,
    ) -> Qemu {
        Qemu::start(
            binary,
            site,
            "qemu-destination",
            &site.destination_ram(),
            size,
            Some(incoming),
            inherited,
        )
    }

    fn start(
        binary: &Path,
        site: &Site,
        role: &str,
        ram: &Path,
        size: u64,
        incoming: Option<&str>,
        inherited: Option<OwnedFd>,
    ) -> Qemu {
        let control = QmpListener::bind(site.scratch().join(format!("{role}.qmp")));
        let control = control.expect("a socket in the scratch folder");
        let mut command = program::command(binary, inherited);
        command
            .args(["-nodefaults", "-display", "none"])
            .args(["-M", "none,memory-backend=ram"])
            .arg("-m")
            .arg(format!("{}M", size >> 20))
            .arg("-object")
            .arg(format!(
                "memory-backend-file,id=ram,size={size},share=on,mem-path={}",
                ram.display()
            ))
            .args(["-uuid", UUID])
            .arg("-qmp")
            .arg(control.option());
        match incoming {
            Some(uri) => command.args(["-incoming", uri]),
            None => command.arg("-S"),
        };
        let mut program = Program::start(role, command, site.scratch());
        let stream = wait::until(
            &mut program,
            |program| {
                assert!(
                    program.ended().is_none(),
                    "a QEMU that stays up, not {}",
                    program.report()
                );
                control.accept()
            },
            |program| format!("a QMP connection from {}", program.report()),
        );
        let qmp = Qmp::new(stream).unwrap_or_else(|error| {
            panic!("no QMP connection ({error}) with {}", program.report())
        });
        Qemu { program, qmp }
    }

    /// Lets the source send at most `rate` bytes a second.
    pub fn limit_bandwidth(&mut self, rate: u64) {
        self.execute("migrate-set-parameters", json!({ "max-bandwidth": rate }));
    }

    /// Sets a capability of migration.
    pub fn set_capability(&mut self, name: &str) {
        self.execute(
            "migrate-set-capabilities",
            json!({ "capabilities": [{ "capability": name, "state": true }] }),
        );
    }

    /// Lets pages go over so many channels beside the main one.
    pub fn use_multifd(&mut self, channels: u8) {
        self.set_capability("multifd");
        self.execute("migrate-set-parameters", json!({ "multifd-channels": channels }));
    }

    /// Lets a machine that was started with `-incoming defer` wait at `uri`.
    #[track_caller]
    pub fn migrate_incoming(&mut self, uri: &str) {
        self.execute("migrate-incoming", json!({ "uri": uri }));
    }

    /// Starts a migration; how it goes on is asked with [`Qemu::migration`].
    #[track_caller]
    pub fn migrate(&mut self, uri: &str) {
        self.execute("migrate", json!({ "uri": uri }));
    }

    /// The reply to `query-migrate`.
    #[track_caller]
    pub fn migration(&mut self) -> Value {
        self.execute("query-migrate", json!({}))
    }

    /// Waits until `query-migrate` says `status`.
    ///
    /// # Panics
    ///
    /// When the migration has ended otherwise, or at the deadline.
    #[track_caller]
    pub fn wait_for_status(&mut self, status: &str) {
        let is_final = |now: &str| ["completed", "failed", "cancelled"].contains(&now);
        wait::until(
            self,
            |qemu| {
                let reply = qemu.migration();
                let now = reply["status"].as_str().unwrap_or("none");
                assert!(
                    now == status || !is_final(now),
                    "expected status {status}, found {reply} in {}",
                    qemu.program.report()
                );
                (now == status).then_some(())
            },
            |qemu| format!("status {status} of {}", qemu.program.report()),
        );
    }

    /// Fails the test unless the machine is still stopped and QEMU has had
    /// nothing to complain about.
    #[track_caller]
    pub fn assert_stopped_and_content(&mut self) {
        let status = self.execute("query-status", json!({}));
        assert_eq!(status["running"], json!(false), "a stopped machine: {status}");
        let stderr = self.program.stderr();
        assert!(stderr.is_empty(), "no warning expected from {}", self.program.report());
    }

    /// Waits for QEMU to end by itself.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.program.finish()
    }

    /// The process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    #[track_caller]
    fn execute(&mut self, command: &str, arguments: Value) -> Value {
        match self.qmp.execute(command, arguments) {
            Ok(reply) => reply,
            Err(error) => panic!("{error}\nin {}", self.program.report()),
        }
    }
}
