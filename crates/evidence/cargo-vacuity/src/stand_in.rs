//! The tool in the place of the compiler.
//!
//! Only a runner knows which programs are its cases and how it builds them: rustdoc collects
//! documentation tests after macros and features, trybuild and `ui_test` make up packages and
//! arguments. So the runners run as always, and find this program where they look for `rustdoc`
//! and `rustc`. What they would have the compiler do is written down, and refused: a runner of
//! programs that must fail goes on to the next.
//!
//! One executable plays three parts, told apart by the name it is called by:
//!
//! * `rustdoc` gives rustdoc itself one more argument, `--test-builder`: the program that builds a
//!   documentation test. It is an unstable one, so `RUSTC_BOOTSTRAP` is set for this process, and
//!   for no compiler;
//! * `doctest` is that program: it records and refuses everything;
//! * `rustc` records and refuses the cases of trybuild, `ui_test` and compiletest, and leaves
//!   the rest to the compiler.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::program::{Program, Runner};
use crate::tools::Tools;

const RECORDS: &str = "CARGO_VACUITY_RECORDS";
const RUSTC: &str = "CARGO_VACUITY_RUSTC";
const RUSTDOC: &str = "CARGO_VACUITY_RUSTDOC";
/// The variable that lets cargo make what documentation tests need, and not collect them.
pub(crate) const ONLY_MAKE: &str = "CARGO_VACUITY_ONLY_MAKE";
/// The variable that lets libraries, which are changed, break the lints that they deny.
pub(crate) const CHANGED: &str = "CARGO_VACUITY_CHANGED";

/// The most bytes of a program that are kept.
const LONGEST: u64 = 4 << 20;

/// What the runners wanted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    /// A program to be built.
    Program(Program),
    /// The names that rustdoc gave the documentation tests of one library.
    Doctests {
        /// The package's folder.
        package: PathBuf,
        /// The lines that the runner printed.
        said: Vec<String>,
    },
}

/// A folder with links by which the runners find the tool, and with what they asked of it.
#[derive(Debug)]
pub(crate) struct StandIn {
    folder: TempDir,
    tools: Tools,
}

impl StandIn {
    /// Makes `exe`, the tool, callable by the names of `rustc` and `rustdoc` in `tools`. The links are made below `output`, where programs may run.
    pub(crate) fn new(exe: &Path, output: &Path, tools: Tools) -> io::Result<Self> {
        fs::create_dir_all(output)?;
        let folder = tempfile::Builder::new().prefix("vacuity-").tempdir_in(output)?;
        for part in ["rustc", "rustdoc", "doctest"] {
            let link = part_path(folder.path(), part);
            if fs::hard_link(exe, &link).is_err() {
                fs::copy(exe, &link)?;
            }
        }
        fs::create_dir(folder.path().join("records"))?;
        Ok(StandIn { folder, tools })
    }

    /// Lets `cargo` call the tool for `rustdoc`.
    pub(crate) fn for_rustdoc(&self, cargo: &mut Command) {
        self.known(cargo).env("RUSTDOC", part_path(self.folder.path(), "rustdoc"));
    }

    /// Lets `cargo`, and the tests that it runs, call the tool for `rustc`.
    pub(crate) fn for_rustc(&self, cargo: &mut Command) {
        self.known(cargo).env("RUSTC", part_path(self.folder.path(), "rustc"));
    }

    fn known<'c>(&self, cargo: &'c mut Command) -> &'c mut Command {
        cargo
            .env(RECORDS, self.folder.path().join("records"))
            .env(RUSTC, &self.tools.rustc)
            .env(RUSTDOC, &self.tools.rustdoc)
    }

    /// Takes what was recorded since the last call.
    pub(crate) fn take(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(self.folder.path().join("records"))? {
            let path = entry?.path();
            records.push(serde_json::from_slice(&fs::read(&path)?)?);
            fs::remove_file(path)?;
        }
        Ok(records)
    }
}

fn part_path(folder: &Path, part: &str) -> PathBuf {
    folder.join(format!("{part}{}", env::consts::EXE_SUFFIX))
}

/// Plays a part, if a runner called this process.
///
/// Returns `None` if a person did.
pub(crate) fn played() -> Option<ExitCode> {
    let records = PathBuf::from(env::var_os(RECORDS)?);
    let mut arguments = env::args_os();
    let name = PathBuf::from(arguments.next()?);
    let arguments: Vec<OsString> = arguments.collect();
    let played = match name.file_stem()?.to_str()? {
        "rustdoc" => rustdoc(&records, &arguments),
        "doctest" => doctest(&records, &arguments),
        "rustc" => rustc(&records, &arguments),
        _ => return None,
    };
    Some(played.unwrap_or_else(|error| {
        eprintln!("cargo-vacuity, in the place of {}: {error}", name.display());
        ExitCode::FAILURE
    }))
}

fn write(records: &Path, record: &Record) -> io::Result<()> {
    let mut file = tempfile::Builder::new().suffix(".json").tempfile_in(records)?;
    serde_json::to_writer(&mut file, record)?;
    file.keep()?;
    Ok(())
}

fn real(name: &str, arguments: &[OsString]) -> Command {
    let mut command = Command::new(env::var_os(name).unwrap_or_default());
    command.args(arguments);
    command
}

fn pass_on(mut command: Command) -> io::Result<ExitCode> {
    let status = command.status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, Into::into))
}

fn rustdoc(records: &Path, arguments: &[OsString]) -> io::Result<ExitCode> {
    if !arguments.iter().any(|argument| argument == "--test") {
        return pass_on(real(RUSTDOC, arguments));
    }
    if env::var_os(ONLY_MAKE).is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    let builder = part_path(records.parent().unwrap_or(records), "doctest");
    let mut command = real(RUSTDOC, arguments);
    command.args(["-Zunstable-options", "--test-builder"]).arg(builder);
    command.env("RUSTC_BOOTSTRAP", "1").stdin(Stdio::inherit()).stderr(Stdio::inherit());
    let output = command.output()?;
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let said = String::from_utf8_lossy(&output.stdout);
    // A library whose documentation rustdoc cannot read is no library without tests.
    if !said.contains("test result:") {
        return Err(io::Error::other("rustdoc could not collect the documentation tests"));
    }
    let said = said.lines().filter(|line| line.starts_with("test ")).map(str::to_owned).collect();
    write(records, &Record::Doctests { package: package.unwrap_or_default(), said })?;
    Ok(ExitCode::SUCCESS)
}

fn doctest(records: &Path, arguments: &[OsString]) -> io::Result<ExitCode> {
    // All tests of an edition in one program, without those that must fail.
    if let (Ok(path), Ok(line)) =
        (env::var("UNSTABLE_RUSTDOC_TEST_PATH"), env::var("UNSTABLE_RUSTDOC_TEST_LINE"))
    {
        let arguments = expanded(arguments)?;
        let text = match arguments.last().map(String::as_str) {
            Some("-") | None => text(io::stdin())?,
            Some(file) => text(fs::File::open(file)?)?,
        };
        let line = line.parse().unwrap_or_default();
        let runner = Runner::Doctest { path: PathBuf::from(path), line };
        write(records, &Record::Program(Program::new(runner, arguments, text)?))?;
    }
    Ok(ExitCode::FAILURE)
}

fn rustc(records: &Path, arguments: &[OsString]) -> io::Result<ExitCode> {
    let expanded = expanded(arguments)?;
    let Some(file) = case(&expanded) else {
        let mut command = real(RUSTC, arguments);
        if env::var_os(CHANGED).is_some() && env::var_os("CARGO_CRATE_NAME").is_some() {
            command.arg("--cap-lints=warn");
        }
        return pass_on(command);
    };
    let text = text(fs::File::open(&file)?)?;
    write(records, &Record::Program(Program::new(Runner::File(file), expanded, text)?))?;
    io::stderr().write_all(b"error: refused, and recorded\n")?;
    Ok(ExitCode::FAILURE)
}

/// The text of a program.
fn text(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// The file that the compiler is to build, if it is a case.
fn case(arguments: &[String]) -> Option<PathBuf> {
    let file = PathBuf::from(arguments.iter().find(|argument| argument.ends_with(".rs"))?);
    let name = arguments.iter().position(|argument| argument == "--crate-name");
    let name = name.and_then(|at| arguments.get(at + 1)).map_or("", String::as_str);
    let number = name.strip_prefix("trybuild").unwrap_or_default();
    if number.len() >= 3 && number.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(file);
    }
    // Cargo names the crate that it builds, and the number of jobs to a build script that probes
    // the compiler; a test that is a runner has neither.
    let by_cargo = ["CARGO_CRATE_NAME", "NUM_JOBS"].iter().any(|name| env::var_os(name).is_some());
    let asks = arguments.iter().any(|argument| argument.starts_with("--print"));
    let auxiliary = file.iter().any(|part| part == "auxiliary");
    if by_cargo || asks || auxiliary {
        return None;
    }
    Some(env::current_dir().ok()?.join(file))
}

/// The arguments, with those that stand in a file which is gone after the call.
fn expanded(arguments: &[OsString]) -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        match argument.strip_prefix('@') {
            Some(file) => all.extend(fs::read_to_string(file)?.lines().map(str::to_owned)),
            None => all.push(argument.into_owned()),
        }
    }
    Ok(all)
}
