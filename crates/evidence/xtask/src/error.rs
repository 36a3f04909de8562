//! Why a generated part, a page or a drawing cannot be made.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a part or a drawing cannot be made.
#[derive(Debug, Error)]
pub enum PartError {
    /// The mark names nothing that can be made.
    #[error(
        "nothing is called {0:?} (try: case ROOM/NAME, answer ROOM/NAME, step NUMBER, evidence, rooms)"
    )]
    Unknown(String),
    /// There is no such case.
    #[error("there is no case {0}")]
    NoCase(String),
    /// The drawing of the statuses has no place for a transition.
    #[error("the drawing has no place for {from} -> {to}: add it to statuses.rs")]
    NotPlaced {
        /// The status before.
        from: String,
        /// The status after.
        to: String,
    },
    /// Cargo does not say what the workspace consists of.
    #[error("cargo does not say what the workspace consists of")]
    Metadata(#[from] cargo_metadata::Error),
    /// A file that the part quotes cannot be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Why a page cannot be filled.
#[derive(Debug, Error)]
pub enum PageError {
    /// The page, or a folder of pages, cannot be read.
    #[error("{}: cannot be read", page.display())]
    Read {
        /// What was to be read.
        page: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The marks do not match.
    #[error("{}:{line}: {what}", page.display())]
    Mark {
        /// The page.
        page: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A part cannot be made.
    #[error("{}:{line}: the part cannot be made", page.display())]
    Part {
        /// The page.
        page: PathBuf,
        /// The line of the mark, from 1.
        line: usize,
        /// Why not.
        source: PartError,
    },
}
