//! What the commands run, step by step.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use xtask::workspace;

/// A command's exit status, or why it could not run.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// The tests that write a snapshot, with the variable that tells them to.
const SNAPSHOTS: [(&str, &str, &str); 5] = [
    ("-p xtask --test main public_interface", "LASTREF_WRITE_INTERFACE", "1"),
    ("-p lastref-c-face --test it header", "LASTREF_WRITE_HEADER", "1"),
    ("-p ui-tests-locks --test suite", "TRYBUILD", "overwrite"),
    ("-p ui-tests-inside --test suite", "TRYBUILD", "overwrite"),
    ("-p ui-tests-outside --test suite", "TRYBUILD", "overwrite"),
];

/// Tests that `check` leaves out, by the name of the test binary or of the module: they need
/// another program, build packages of their own, or measure.
const SLOW: [&str; 12] = [
    "suite",
    "broken_suites",
    "real_qemu",
    "demo",
    "report",
    "site",
    "steps",
    "packages",
    "public_interface",
    "sanitizers",
    "same_instructions",
    "c_program",
];

/// Writes what is generated in `docs/`, and prints the files that changed.
pub(crate) fn book() -> Result<(), Box<dyn Error>> {
    for (file, drawing) in xtask::drawings()? {
        write(&file, &drawing)?;
    }
    for page in xtask::pages(&workspace::root().join("docs"))? {
        write(&page, &xtask::refilled(&page)?)?;
    }
    Ok(())
}

/// Writes a file unless it says that already.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    println!("{}", file.display());
    fs::write(file, text)
}

/// Writes every snapshot.
pub(crate) fn bless() -> Outcome {
    println!("== generated docs");
    book()?;
    for (test, variable, value) in SNAPSHOTS {
        if let Some(failed) = step(test, cargo(&format!("test {test}")).env(variable, value))? {
            return Ok(failed);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks formatting and lints, and runs the fast tests.
pub(crate) fn check() -> Outcome {
    let steps = [
        ("formatting", "fmt --all --check"),
        ("clippy", "clippy --workspace --all-targets --locked -- -D warnings"),
        ("fast tests", &fast_tests()?),
    ];
    for (name, arguments) in steps {
        if let Some(failed) = step(name, &mut cargo(arguments))? {
            return Ok(failed);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns cargo's arguments for every test target of the workspace but the slow ones, and of each
/// target every test outside a slow module.
fn fast_tests() -> Result<String, cargo_metadata::Error> {
    let targets = workspace::metadata()?.packages.into_iter().flat_map(|package| package.targets);
    let tests: BTreeSet<String> = targets
        .filter(|target| target.is_test() && target.required_features.is_empty())
        .map(|target| target.name)
        .filter(|name| !SLOW.contains(&name.as_str()))
        .collect();
    let tests: String = tests.iter().map(|test| format!(" --test {test}")).collect();
    let skipped: String = SLOW.iter().map(|slow| format!(" --skip {slow}::")).collect();
    Ok(format!("test --locked --quiet --workspace --lib --bins{tests} --{skipped}"))
}

/// Returns cargo with arguments that have no spaces in them, in the workspace's folder.
fn cargo(arguments: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments.split_whitespace()).current_dir(workspace::root());
    cargo
}

/// Runs a step under its name; returns its exit status if it failed.
fn step(name: &str, command: &mut Command) -> io::Result<Option<ExitCode>> {
    println!("== {name}");
    let began = Instant::now();
    let status = command.status()?;
    println!("== {name}: {status}, {} s", began.elapsed().as_secs());
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok((!status.success()).then(|| ExitCode::from(code)))
}

/// Compares the public interfaces with those of the last release, the newest tag that is named as
/// one, with `cargo semver-checks`.
pub(crate) fn semver() -> Outcome {
    let tag = Command::new("git")
        .args(["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"])
        .current_dir(workspace::root())
        .output()?;
    if !tag.status.success() {
        return Err("there is no release yet (no tag such as v0.1.0) to compare with".into());
    }
    let tag = String::from_utf8(tag.stdout)?;
    let mut checks = cargo(&format!("semver-checks --baseline-rev {}", tag.trim()));
    for package in workspace::published()? {
        checks.args(["--package", &package.name]);
    }
    Ok(step("public interfaces", &mut checks)?.unwrap_or(ExitCode::SUCCESS))
}
