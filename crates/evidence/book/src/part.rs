//! What can stand between the marks of a page.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::link::href;
use crate::page::PageError;
use crate::step::{self, STEPS};
use crate::{case, evidence, rooms};

/// One part, by what is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `case ROOM/NAME`: a program that must not compile, the compiler's words, and what the
    /// accepted twin has instead.
    Case(String),
    /// `step NUMBER`: a step of the worked example, by what it changes.
    Step(usize),
    /// `evidence`: the claims, and what shows each.
    Evidence,
    /// `rooms`: the crates, what each is and which it sees.
    Rooms,
}

/// Why a part cannot be made.
#[derive(Debug, Error)]
pub enum PartError {
    /// The mark names nothing that can be made.
    #[error("nothing is called {0:?} (try: case ROOM/NAME, step NUMBER, evidence, rooms)")]
    Unknown(String),
    /// There is no such case.
    #[error("there is no case {0}")]
    NoCase(String),
    /// The pages cannot be looked through.
    #[error("the pages cannot be looked through")]
    Pages(#[source] Box<PageError>),
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
            None if named == "evidence" => Some(Part::Evidence),
            None if named == "rooms" => Some(Part::Rooms),
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
            Part::Evidence => evidence::text(page),
            Part::Rooms => rooms::text(page),
        }
    }
}

/// A link to a file of the workspace by its name, as seen from a page.
pub(crate) fn link(file: &Path, page: &Path) -> String {
    let name = file.file_stem().unwrap_or_default().display();
    format!("[`{name}`]({})", href(file, page))
}

/// The text of a file that a part quotes.
pub(crate) fn read(file: &Path) -> Result<String, PartError> {
    fs::read_to_string(file).map_err(|source| PartError::Read { file: file.to_owned(), source })
}
