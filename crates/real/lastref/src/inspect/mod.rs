//! `lastref inspect`: what a stream has, as a tree or as JSON; and its siblings `diff` and
//! `extract`.
//!
//! The stream is read once, from a file or a pipe. The fields of devices are known only by the VM
//! description after them, so the tree is printed at the end of the stream, or of what is whole of
//! it.

mod diff;
mod extract;
mod input;
mod json;
mod pages;
mod report;
mod survey;
#[cfg(test)]
mod tests;
mod tree;
mod without_footers;

use std::io::{self, BufWriter, Write};

pub(crate) use diff::run as diff;
pub(crate) use extract::{ExtractError, run as extract};
pub(crate) use input::OpenError;

use crate::cli::InspectArgs;
use crate::failure::Failure;
use report::Report;
use survey::Survey;

/// What it means that not all could be printed. Who closes the pipe has seen enough, as `head` has.
fn unprinted(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Reported,
        _ => Failure::Print(error),
    }
}

pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let mut input = input::open(&args.file)?;
    input.parser = input.parser.without_mapped_pages();
    let survey = Survey::of(&mut input.parser);
    let report = Report::of(survey, input.image);
    let mut out = BufWriter::new(io::stdout().lock());
    let printed =
        if args.json { json::print(&report, &mut out) } else { tree::print(&report, &mut out) };
    printed.and_then(|()| out.flush()).map_err(unprinted)?;
    match report.failure() {
        None => Ok(()),
        Some(reason) => {
            say!("lastref: {}: {reason}", input::shown(&args.file).display());
            Err(Failure::Reported)
        }
    }
}
