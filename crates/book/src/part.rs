//! What can stand between the marks of a page.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::case;

/// One part, by what is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `case ROOM/NAME`: a program that must not compile, the compiler's words, and what the
    /// accepted twin has instead.
    Case(String),
}

/// Why a part cannot be made.
#[derive(Debug, Error)]
pub enum PartError {
    /// The mark names nothing that can be made.
    #[error("nothing is called {0:?} (try: case ROOM/NAME)")]
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
            Some(("case", id)) => Ok(Part::Case(id.to_owned())),
            _ => Err(PartError::Unknown(named.to_owned())),
        }
    }

    /// The part as Markdown, for `page`, from which its links are seen.
    ///
    /// # Errors
    ///
    /// If what it shows is not there.
    pub fn text(&self, page: &Path) -> Result<String, PartError> {
        match self {
            Part::Case(id) => case::text(id, page),
        }
    }
}
