//! The fourth layer: small edits of the library, each taking one guarantee away.
//!
//! A case that still fails when its guarantee is gone fails for another reason. So each
//! weakening must let a case of its claim compile, and each case must be let through by a
//! weakening, or say why no edit can do that.
//!
//! A family of claims has its weakenings in one TOML file:
//!
//! ```toml
//! [[weakening]]
//! name = "a guard may be cloned"
//! claim = "lock.one-guard"
//! file = "crates/core/biglock/src/thread.rs"
//! find = "pub struct Guard<'t, L: Lock> {"
//! replace = "#[derive(Clone)]\npub struct Guard<'t, L: Lock> {"
//!
//! [[unproven]]
//! case = "locks/E0000_some_case"
//! why = "no edit of the library can allow it"
//! ```
//!
//! The text to find occurs exactly once in its file. A weakening that needs several edits has
//! an array `edits` of tables with `file`, `find` and `replace`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_vacuity::edit::Edit;
use serde::Deserialize;

use crate::suite::{files, read};
use crate::{Case, Claims, Complaint, Suite};

/// A weakening as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    claim: String,
    file: Option<PathBuf>,
    find: Option<String>,
    replace: Option<String>,
    #[serde(default)]
    edits: Vec<Edit>,
}

/// A declared weakening.
#[derive(Debug, Clone)]
pub struct Weakening {
    /// What becomes possible, in a few words.
    pub name: String,
    /// The claim that is no longer true.
    pub claim: String,
    /// What to change.
    pub edits: Vec<Edit>,
    /// The file that declares it.
    pub file: PathBuf,
}

impl Weakening {
    /// The weakening that `file` declares with this entry.
    fn declared(entry: Entry, declared_in: &Path) -> Result<Self, String> {
        let Entry { name, claim, file, find, replace, mut edits } = entry;
        match (file, find, replace) {
            (Some(file), Some(find), Some(replace)) => {
                edits.insert(0, Edit { file, find, replace })
            }
            (None, None, None) if !edits.is_empty() => {}
            _ => return Err(format!("{name}: write `file`, `find` and `replace`, or `edits`")),
        }
        Ok(Weakening { name, claim, edits, file: declared_in.to_owned() })
    }

    /// The edited files of `workspace`, each with its text.
    ///
    /// # Errors
    ///
    /// The edit that does not apply.
    pub fn edited(&self, workspace: &Path) -> Result<Vec<(PathBuf, String)>, String> {
        let mut edited: Vec<(PathBuf, String)> = Vec::new();
        for edit in &self.edits {
            let done = edited.iter_mut().find(|(file, _)| *file == edit.file);
            match done {
                Some((_, text)) => *text = edit.apply(text)?,
                None => {
                    let file = workspace.join(&edit.file);
                    let text = fs::read_to_string(&file)
                        .map_err(|error| format!("{}: {error}", file.display()))?;
                    edited.push((edit.file.clone(), edit.apply(&text)?));
                }
            }
        }
        Ok(edited)
    }
}

/// A case that no weakening can let compile.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unproven {
    /// The case, as `locks/E0000_some_case`.
    pub case: String,
    /// Why none can.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    #[serde(default)]
    weakening: Vec<Entry>,
    #[serde(default)]
    unproven: Vec<Unproven>,
}

/// Everything that the files declare.
#[derive(Debug, Default)]
pub struct Declared {
    /// The weakenings, in the order of the files.
    pub weakenings: Vec<Weakening>,
    /// The cases without one.
    pub unproven: Vec<Unproven>,
    unreadable: Vec<Complaint>,
}

impl Declared {
    /// Reads the declarations of a suite.
    pub fn read(suite: &Suite) -> Self {
        let mut all = Declared::default();
        // The package's manifest stands among them.
        for file in files(&suite.weakenings(), "toml") {
            if file.ends_with("Cargo.toml") {
                continue;
            }
            match toml::from_str::<Family>(&read(&file)) {
                Ok(family) => {
                    all.unproven.extend(family.unproven);
                    for entry in family.weakening {
                        match Weakening::declared(entry, &file) {
                            Ok(weakening) => all.weakenings.push(weakening),
                            Err(what) => all.unreadable.push(Complaint::about(&file, what)),
                        }
                    }
                }
                Err(error) => all.unreadable.push(Complaint::about(&file, error.to_string())),
            }
        }
        all
    }

    /// What is wrong with the declarations themselves; nothing is built.
    pub fn complaints(&self, suite: &Suite) -> Vec<Complaint> {
        let mut complaints = self.unreadable.clone();
        let mut about = |name: &str, what: String| {
            complaints.push(Complaint { file: name.to_owned(), what });
        };
        let claims = Claims::read(&suite.claims()).claims;
        let mut names = BTreeSet::new();
        for weakening in &self.weakenings {
            if !names.insert(&weakening.name) {
                about(&weakening.name, "there are two weakenings of this name".to_owned());
            }
            if !claims.iter().any(|claim| claim.id == weakening.claim) {
                about(&weakening.name, format!("there is no claim {}", weakening.claim));
            }
            if let Err(what) = weakening.edited(&suite.workspace()) {
                about(&weakening.name, void(&what));
            }
        }
        let cases: Vec<Case> = suite.rooms().iter().flat_map(|room| room.cases().0).collect();
        for unproven in &self.unproven {
            if !cases.iter().any(|case| case.id == unproven.case) {
                about(&unproven.case, "it is listed as unproven, and there is no such case".into());
            }
            if unproven.why.trim().is_empty() {
                about(&unproven.case, "say why no weakening can let it compile".into());
            }
        }
        complaints
    }
}

/// The complaint about a weakening that proves nothing.
pub fn void(why: &str) -> String {
    format!("it is void: {why}")
}
