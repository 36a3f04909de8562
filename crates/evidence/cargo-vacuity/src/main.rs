//! Says which compile-fail tests of a crate test what they say.
//!
//! A test that a program must *not* compile passes when it fails for any reason at all: a `use`
//! was forgotten, a method was renamed, a bracket is astray. The runner prints `ok`. Verification
//! engineers call such a test vacuous.
//!
//! Read in this order:
//!
//! 1. `stand_in`: the runners run, and find this program in the compiler's place; so
//!    `collect` knows every `program` and how its runner builds it;
//! 2. `verdict`: each is compiled, and its errors judged by `rules`, which are data, and by whose
//!    `names` they are about; `repair` tries what a void case lacks;
//! 3. `lock` keeps what was believed;
//! 4. `mutants` changes declarations, and asks whether a case notices.
#![forbid(unsafe_code)]

mod check;
mod collect;
mod doctest;
mod error;
mod lock;
mod mutants;
mod names;
mod program;
mod repair;
mod report;
mod rules;
mod source;
mod stand_in;
mod tools;
mod verdict;
mod workspace;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use crate::check::{Tell, check};
use crate::error::Error;
use crate::lock::Lock;
use crate::verdict::Verdict;
use crate::workspace::Selection;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Says which compile-fail tests test what they say.
///
/// Finds the `compile_fail` documentation tests and the cases of trybuild and ui_test, compiles
/// each as its runner would, and judges the compiler's errors. Ends with 0 if every case guards
/// what it is about, with 1 if one does not, and with 2 if there is no answer.
#[derive(Parser)]
#[command(name = "cargo vacuity", bin_name = "cargo vacuity", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Verb>,
    #[command(flatten)]
    selection: Selection,
    /// Print what was found as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Print the cases that guard, too.
    #[arg(long)]
    all: bool,
    /// Write down in `vacuity.lock` why each case fails.
    #[arg(long, conflicts_with = "locked")]
    bless: bool,
    /// Fail if a case does otherwise than `vacuity.lock` says, and only then.
    #[arg(long)]
    locked: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Change declarations, and ask whether a case notices.
    ///
    /// Works in copies of the workspace below its folder for build output, and goes on where an
    /// interrupted run stopped. Ends with 1 if a mutant survives that `vacuity.toml` does not
    /// explain.
    Mutate {
        /// Print the mutants, and try none.
        #[arg(long)]
        list: bool,
        #[command(flatten)]
        options: mutants::Options,
    },
}

/// Progress, on a terminal.
struct Bar(ProgressBar);

impl Tell for Bar {
    fn begins(&self, part: &str, steps: Option<usize>) {
        self.0.set_message(part.to_owned());
        if let Some(steps) = steps {
            self.0.set_length(steps as u64);
            self.0.set_style(
                ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
        } else {
            self.0.enable_steady_tick(Duration::from_millis(200));
        }
    }

    fn done(&self) {
        self.0.inc(1);
    }
}

fn main() -> ExitCode {
    if let Some(played) = stand_in::played() {
        return played;
    }
    // Cargo hands its subcommand's name on.
    let mut words: Vec<OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == "vacuity") {
        words.remove(1);
    }
    match run(Arguments::parse_from(words)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    let Arguments { command, selection, json, all, bless, locked } = arguments;
    let exe = std::env::current_exe()?;
    let bar = Bar(ProgressBar::new_spinner());
    let good = match command {
        Some(Verb::Mutate { list: true, options }) => {
            let lines = mutants::list(&selection, &options, &exe)?;
            bar.0.finish_and_clear();
            let line = |(name, says): &(_, _)| format!("{name}: {says}\n");
            print(&lines.iter().map(line).collect::<String>())?;
            true
        }
        Some(Verb::Mutate { list: false, options }) => {
            let mutation = mutants::mutate(&selection, &options, &exe, &bar)?;
            bar.0.finish_and_clear();
            show(&mutation, json, |text| report::write_mutation(&mutation, text))?;
            mutation.complaints.is_empty() && mutation.left == 0
        }
        None => {
            let report = check(selection, &exe, &bar)?;
            bar.0.finish_and_clear();
            show(&report, json, |text| report::write(&report, all, text))?;
            if bless {
                Lock::of(&report).write(&report.workspace)?;
                return Ok(ExitCode::SUCCESS);
            }
            let as_wanted = if locked {
                let differences = Lock::read(&report.workspace)?.differences(&report);
                for difference in &differences {
                    eprintln!("{difference}");
                }
                differences.is_empty()
            } else {
                report.count(Verdict::Guards) == report.findings.len()
            };
            as_wanted && report.problems.is_empty()
        }
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what was found, as JSON or as `words` has it for people.
fn show(
    found: &impl Serialize,
    json: bool,
    words: impl FnOnce(&mut String) -> fmt::Result,
) -> Result<(), Error> {
    let mut text = String::new();
    if json {
        text = serde_json::to_string_pretty(found).map_err(io::Error::from)? + "\n";
    } else {
        words(&mut text).map_err(io::Error::other)?;
    }
    Ok(print(&text)?)
}

/// Writes to standard output. A reader that has seen enough is no failure.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
