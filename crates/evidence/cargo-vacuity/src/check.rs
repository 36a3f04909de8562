//! One run over a workspace.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Error;
use crate::collect::collect;
use crate::repair;
use crate::verdict::{Finding, Judge, Verdict};
use crate::workspace::{Selection, Workspace};
use cargo_vacuity::parallel::in_parallel;

/// Hears of a run's progress.
pub(crate) trait Tell: Sync {
    /// A part of the run begins; it has so many steps, if that is known.
    fn begins(&self, part: &str, steps: Option<usize>);
    /// One step is done.
    fn done(&self);
}

/// What a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The workspace's folder.
    #[serde(skip)]
    pub(crate) workspace: PathBuf,
    /// The compiler, as `rustc 1.95.0`.
    pub(crate) compiler: String,
    /// The cases.
    pub(crate) findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub(crate) problems: Vec<String>,
    /// How long the cases took, the libraries made before.
    pub(crate) judging: Duration,
}

impl Report {
    /// How many cases got a verdict.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

/// Finds the cases of a selection and judges them. `exe` is the program that calls [`crate::played`]
/// first of all: runners start it in the compiler's place.
///
/// # Errors
///
/// If cargo cannot make the libraries, or the system refuses.
pub(crate) fn check(selection: Selection, exe: &Path, tell: &dyn Tell) -> Result<Report, Error> {
    let workspace = Workspace::open(selection, exe, None)?;
    let collected = collect(&workspace, &|part| tell.begins(part, None))?;
    let judge = Judge::new(&workspace, &collected.cases);
    tell.begins("cases", Some(collected.cases.len()));
    let begun = Instant::now();
    let findings = in_parallel(&collected.cases, |case| {
        let found = tempfile::tempdir().and_then(|scratch| judge.judge(case, scratch.path()));
        tell.done();
        found
    });
    let mut findings = findings.into_iter().collect::<io::Result<Vec<_>>>()?;
    let judging = begun.elapsed();
    let mut problems = collected.problems;
    if let Err(error) = repair::by_features(&judge, &collected.cases, &mut findings) {
        problems.push(format!("with the features that void cases lack: {error}"));
    }
    Ok(Report {
        workspace: workspace.root().to_owned(),
        compiler: workspace.tools.version.clone(),
        findings: findings.into_iter().flatten().collect(),
        problems,
        judging,
    })
}
