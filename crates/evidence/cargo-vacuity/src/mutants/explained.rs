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

use std::path::Path;

use serde::Deserialize;

use super::run::{Fate, Tried};
use crate::error::{Error, read_toml};

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
        Ok(read_toml(&workspace.join(FILE))?.unwrap_or_default())
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
            // Of a package that was not tried nothing is known.
            let was_tried = |pattern: &str| {
                let literal = pattern.split('*').next().unwrap_or_default();
                let folder = literal.rsplit_once('/').map_or("", |(folder, _)| folder);
                tried.iter().any(|one| one.mutant.starts_with(folder))
            };
            let idle = |one: &&Survives| {
                was_tried(&one.mutants) && !survivors().any(|tried| explains(one, &tried.mutant))
            };
            complaints.extend(self.survives.iter().filter(idle).map(|one| {
                format!("{FILE}: no survivor is called `{}`, or `why` is empty", one.mutants)
            }));
            let gone = |one: &&CaughtBy| !tried.iter().any(|tried| tried.mutant == one.mutant);
            let gone = self.caught.iter().filter(gone);
            complaints
                .extend(gone.map(|one| format!("{FILE}: there is no mutant `{}`", one.mutant)));
        }
        complaints
    }
}

/// Whether a text is what a pattern with `*` says.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else {
        return pattern == text;
    };
    let inner = text.strip_prefix(first).and_then(|text| text.strip_suffix(last));
    let Some(mut rest) = inner else { return false };
    parts.all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}
