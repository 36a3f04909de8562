//! `lastref`: live migration with one global left, as a program.
//!
//! Messages for people go to standard error; `--json` prints one object on standard output at
//! the end. Exit status: 0 done, 1 the migration failed or the stream is damaged, 2 wrong
//! usage.

/// Prints a line to standard error, and ignores an error of that.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod cli;
mod demo;
mod destination;
mod failure;
mod guest;
mod inherited;
mod inspect;
mod interrupt;
mod receive;
mod record;
mod report;
mod same_file;
mod send;
mod session;
mod size;
mod verbose;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use migration::{MigrationStatus, error_chain};

use cli::{Cli, Command};
use failure::Failure;

/// Parses the command line. Prints a tip if it has an option of `demo` without that word.
fn parse() -> Cli {
    let error = match Cli::try_parse() {
        Ok(cli) => return cli,
        Err(error) => error,
    };
    let mut as_demo: Vec<_> = std::env::args_os().collect();
    as_demo.insert(as_demo.len().min(1), "demo".into());
    if error.kind() == ErrorKind::UnknownArgument && Cli::try_parse_from(&as_demo).is_ok() {
        let words: Vec<_> = as_demo[1..].iter().map(|word| word.to_string_lossy()).collect();
        // If standard error is closed, the exit status still shows the error.
        let _ = error.print();
        say!("\n  tip: `lastref {}` has this option", words.join(" "));
        std::process::exit(2);
    }
    error.exit()
}

fn main() -> ExitCode {
    let Cli { verbose, command } = parse();
    verbose::show(verbose);
    let command = command.unwrap_or_else(Command::demo);
    let json = command.json();
    let done = match command {
        Command::Demo(args) => demo::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Receive(args) => receive::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Diff(args) => inspect::diff(&args),
        Command::Extract(args) => inspect::extract(&args),
        Command::DemoDestination(args) => destination::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Usage(error)) => {
            say!("lastref: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            let status = match error {
                Failure::Interrupted => MigrationStatus::Cancelled,
                _ => MigrationStatus::Failed,
            };
            let error = error_chain(&error);
            say!("lastref: {error}");
            if json {
                report::print_failure(status, &error);
            }
            ExitCode::FAILURE
        }
    }
}
