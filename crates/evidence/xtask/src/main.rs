//! The development commands: `cargo xtask --help` lists them.

mod commands;
mod vacuity;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's development commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Writes what is generated in docs/: the parts between marks, and the drawings.
    Book,
    /// Builds the pages for a browser, in target/book. Needs mdbook.
    Site,
    /// Writes every snapshot: what is generated in docs/, the public interfaces, the header for C,
    /// and the compiler's words about the rejected programs.
    Bless,
    /// Checks what to check before a push, in a minute or two: formatting, clippy, fast tests.
    Check,
    /// Compares the public interfaces with the last release. Needs cargo-semver-checks.
    Semver,
    /// Runs `cargo vacuity` over the published crates of docs/vacuity, and compares its verdicts with
    /// those of a person. Fetches the crates; minutes to an hour.
    Vacuity {
        /// Where the crates and their build output go.
        folder: std::path::PathBuf,
        /// Only these crates.
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Task::Book => commands::book().map(|()| ExitCode::SUCCESS),
        Task::Site => site(),
        Task::Bless => commands::bless(),
        Task::Check => commands::check(),
        Task::Semver => commands::semver(),
        Task::Vacuity { folder, names } => vacuity::vacuity(&folder, &names),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {}", engine::error_chain(&*error));
        ExitCode::FAILURE
    })
}

fn site() -> Result<ExitCode, Box<dyn Error>> {
    let site = xtask::workspace::root().join("target/book");
    xtask::site::build(&site)?;
    println!("{}", site.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}
