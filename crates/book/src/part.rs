//! What can stand between the marks of a page.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::step::{self, STEPS};
use crate::{case, workspace};

/// One part, by what is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `case ROOM/NAME`: a program that must not compile, the compiler's words, and what the
    /// accepted twin has instead.
    Case(String),
    /// `step NUMBER`: a step of the worked example, by what it changes.
    Step(usize),
}

/// Why a part cannot be made.
#[derive(Debug, Error)]
pub enum PartError {
    /// The mark names nothing that can be made.
    #[error("nothing is called {0:?} (try: case ROOM/NAME, step NUMBER)")]
    Unknown(String),
    /// There is no such case.
    #[error("there is no case {0}")]
    NoCase(String),
    /// A file that the part quotes cannot be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Part {
    /// What a mark names.
    ///
    /// # Errors
    ///
    /// If it names nothing that can be made.
    pub fn parse(named: &str) -> Result<Self, PartError> {
        match named.split_once(' ') {
            Some(("case", id)) => Some(Part::Case(id.to_owned())),
            Some(("step", number)) => {
                number.parse().ok().filter(|step| (1..=STEPS).contains(step)).map(Part::Step)
            }
            _ => None,
        }
        .ok_or_else(|| PartError::Unknown(named.to_owned()))
    }

    /// The part as Markdown, for `page`, from which its links are seen.
    ///
    /// # Errors
    ///
    /// If what it shows is not there.
    pub fn text(&self, page: &Path) -> Result<String, PartError> {
        match self {
            Part::Case(id) => case::text(id, page),
            Part::Step(step) => step::text(*step, page),
        }
    }
}

/// A link to a file of the workspace, as seen from a page.
pub(crate) fn link(file: &Path, page: &Path) -> String {
    let root = workspace();
    let inside = file.strip_prefix(&root).unwrap_or(file).display().to_string();
    let up = page.strip_prefix(&root).map_or(1, |page| page.components().count().saturating_sub(1));
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    format!("[`{name}`]({}{inside})", "../".repeat(up))
}

/// The text of a file that a part quotes.
pub(crate) fn read(file: &Path) -> Result<String, PartError> {
    fs::read_to_string(file).map_err(|source| PartError::Read { file: file.to_owned(), source })
}
