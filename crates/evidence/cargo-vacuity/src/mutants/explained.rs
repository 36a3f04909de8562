//! Survivors that a person has explained, in a file `vacuity.toml` beside the workspace's manifest:
//!
//! ```toml
//! [[survives]]
//! mutants = "src/lib.rs public *"
//! why = "nobody outside can name the type"
//!
//! [[caught]]
//! mutant = "src/lib.rs clone Token"
//! by = "tests/ui/clone_token.rs"
//! ```
//!
//! A `*` stands for any text.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::run::{Fate, Tried};
use crate::Error;

/// The file's name.
pub(crate) const FILE: &str = "vacuity.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explained {
    #[serde(default)]
    survives: Vec<Survives>,
    #[serde(default)]
    caught: Vec<CaughtBy>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Survives {
    mutants: String,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaughtBy {
    mutant: String,
    by: String,
}

impl Explained {
    pub(crate) fn read(workspace: &Path) -> Result<Self, Error> {
        let file = workspace.join(FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::File(file, error)),
        };
        toml::from_str(&text).map_err(|error| Error::Format(file, error.to_string()))
    }

    /// The case that is said to catch a mutant: no other counts.
    pub(crate) fn named(&self, mutant: &str) -> Option<&str> {
        self.caught.iter().find(|one| one.mutant == mutant).map(|one| one.by.as_str())
    }

    /// What is wrong. Explanations that explain nothing are seen only if all mutants were tried.
    pub(crate) fn complaints(&self, tried: &[Tried], whole: bool) -> Vec<String> {
        let survivors = || tried.iter().filter(|one| one.fate == Fate::Survives);
        let explains = |one: &Survives, mutant: &str| {
            matches(&one.mutants, mutant) && !one.why.trim().is_empty()
        };
        let mut complaints: Vec<String> = survivors()
            .filter(|tried| !self.survives.iter().any(|one| explains(one, &tried.mutant)))
            .map(|tried| match self.named(&tried.mutant) {
                Some(by) => format!("{}: `{by}` does not catch it: {}", tried.mutant, tried.says),
                None => format!("{}: it survives: {}", tried.mutant, tried.says),
            })
            .collect();
        if whole {
            let idle = |one: &&Survives| !survivors().any(|tried| explains(one, &tried.mutant));
            complaints.extend(self.survives.iter().filter(idle).map(|one| {
                format!("{FILE}: no survivor is called `{}`, or `why` is empty", one.mutants)
            }));
            let gone = |one: &&CaughtBy| !tried.iter().any(|tried| tried.mutant == one.mutant);
            complaints.extend(
                self.caught
                    .iter()
                    .filter(gone)
                    .map(|one| format!("{FILE}: there is no mutant `{}`", one.mutant)),
            );
        }
        complaints
    }
}

/// Whether a text is what a pattern with `*` says.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
