//! What can stand between the marks of a page, and which module generates it.

use std::path::Path;

use crate::error::PartError;
use crate::step::{self, STEPS};
use crate::{case, evidence, rooms};

/// One part, by what is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `case ROOM/NAME`: a program that must not compile, the compiler's words, and what the
    /// accepted twin has instead.
    Case(String),
    /// `answer ROOM/NAME`: the compiler's answer to such a program in short, and what to do.
    Answer(String),
    /// `step NUMBER`: a step of the worked example, by what it changes.
    Step(usize),
    /// `evidence`: the claims, and what shows each.
    Evidence,
    /// `rooms`: the crates, what each is and which it sees.
    Rooms,
}

impl Part {
    /// Parses what a mark names.
    ///
    /// # Errors
    ///
    /// If it names nothing that can be made.
    pub fn parse(named: &str) -> Result<Self, PartError> {
        match named.split_once(' ') {
            Some(("case", id)) => Some(Part::Case(id.to_owned())),
            Some(("answer", id)) => Some(Part::Answer(id.to_owned())),
            Some(("step", number)) => {
                number.parse().ok().filter(|step| (1..=STEPS).contains(step)).map(Part::Step)
            }
            None if named == "evidence" => Some(Part::Evidence),
            None if named == "rooms" => Some(Part::Rooms),
            _ => None,
        }
        .ok_or_else(|| PartError::Unknown(named.to_owned()))
    }

    /// Returns the part as Markdown, with links as seen from `page`.
    ///
    /// # Errors
    ///
    /// If what it shows is not there.
    pub fn text(&self, page: &Path) -> Result<String, PartError> {
        match self {
            Part::Case(id) => case::text(id, page),
            Part::Answer(id) => case::answer(id, page),
            Part::Step(step) => step::text(*step, page),
            Part::Evidence => evidence::text(page),
            Part::Rooms => rooms::text(page),
        }
    }
}
