//! Which of many cases still fail, asked of the compiler all at once.
//!
//! To start the compiler takes longer than to compile a small program. So cases that see the same
//! libraries become modules of one program: where a case's own error is shown, it still fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::collect::Case;
use crate::program::{Answer, Program};
use crate::verdict::Finding;
use cargo_vacuity::diagnostic;

/// A case that guards, and the errors by which it does: code, and line of the program.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) id: String,
    pub(crate) package: String,
    pub(crate) program: Program,
    pub(crate) errors: Vec<(Option<String>, usize)>,
    /// The names of the crate in its errors.
    pub(crate) names: BTreeSet<String>,
}

impl Guard {
    pub(crate) fn new(case: Case, finding: &Finding) -> Option<Self> {
        let line = |line: usize| line.saturating_add_signed(-case.offset);
        let fitting = || finding.errors.iter().filter(|error| error.fits);
        Some(Guard {
            errors: fitting().map(|error| (error.code.clone(), line(error.line))).collect(),
            names: fitting().flat_map(|error| error.names.iter().cloned()).collect(),
            id: case.id,
            package: case.package,
            program: case.program?,
        })
    }
}

/// The cases whose errors are not shown, by their places in `guards`: each may compile.
pub(crate) fn without_error(
    guards: &[Guard],
    rustc: &Path,
    scratch: &Path,
) -> io::Result<Vec<usize>> {
    let mut groups: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for (at, guard) in guards.iter().enumerate() {
        groups.entry(guard.program.kin()).or_default().push(at);
    }
    let mut left = Vec::new();
    for mut group in groups.into_values() {
        // The errors of one pass of the compiler hide those of a later one.
        while !group.is_empty() {
            let before = group.len();
            group = ask(guards, group, rustc, scratch)?;
            if group.len() == before {
                break;
            }
        }
        left.extend(group);
    }
    left.sort_unstable();
    Ok(left)
}

fn ask(
    guards: &[Guard],
    group: Vec<usize>,
    rustc: &Path,
    scratch: &Path,
) -> io::Result<Vec<usize>> {
    let mut modules = String::new();
    let mut files = BTreeMap::new();
    for &at in &group {
        let program = &guards[at].program;
        let scratched = scratch.join(format!("case_{at}.rs"));
        let file = program.file().unwrap_or(scratched.clone());
        if file == scratched {
            fs::write(&file, &program.text)?;
        }
        modules += &format!("#[path = {:?}]\nmod case_{at};\n", file.display().to_string());
        files.insert(at, file);
    }
    let together = scratch.join("together.rs");
    fs::write(&together, modules + "fn main() {}\n")?;
    let Some(&first) = group.first() else { return Ok(group) };
    let Answer::Fails(said) = guards[first].program.ask(rustc, scratch, &together, "metadata")?
    else {
        return Ok(group);
    };
    let shown: BTreeSet<(PathBuf, Option<&str>, usize)> = diagnostic::errors(&said)
        .filter_map(|error| {
            let span = diagnostic::primary(error)?;
            Some((PathBuf::from(&span.file_name), diagnostic::code(error), span.line_start))
        })
        .collect();
    let fails = |at: &usize| {
        guards[*at].errors.iter().any(|(code, line)| {
            files.get(at).is_some_and(|f| shown.contains(&(f.clone(), code.as_deref(), *line)))
        })
    };
    Ok(group.into_iter().filter(|at| !fails(at)).collect())
}
