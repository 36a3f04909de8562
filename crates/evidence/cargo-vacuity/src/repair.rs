//! What a void case lacks: imports that the compiler proposes, and features, tried.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use cargo_metadata::diagnostic::{Diagnostic, DiagnosticSpan};

use crate::Error;
use crate::collect::Case;
use crate::program::{Answer, Program};
use crate::stand_in::Record;
use crate::verdict::{Finding, Judge, Judged, Repair, Verdict};
use cargo_vacuity::diagnostic;

/// How often the compiler is asked for more.
const ROUNDS: usize = 4;

/// Adds imports until no void error is left, and says what the case does then.
///
/// Returns `None` if that does not help: only what was tried and works is proposed.
pub(crate) fn find(
    judge: &Judge<'_>,
    case: &Case,
    program: &Program,
    said: &[Diagnostic],
    scratch: &Path,
) -> io::Result<Option<Repair>> {
    let mut text = program.text.clone();
    let mut add = BTreeSet::new();
    let mut said = said.to_vec();
    for _ in 0..ROUNDS {
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        for error in diagnostic::errors(&said) {
            let proposed = import(error, judge.roots(case)).map(|span| {
                let new = span.suggested_replacement.clone().unwrap_or_default();
                (span.byte_start as usize, span.byte_end as usize, new)
            });
            let guessed = || guess(error, case).map(|new| (head(&text), head(&text), new));
            let Some((start, end, new)) = proposed.or_else(guessed) else { continue };
            if add.insert(new.trim().to_owned()) {
                edits.push((start, end, new));
            }
        }
        if edits.is_empty() {
            return Ok(None);
        }
        edits.sort();
        for (start, end, new) in edits.into_iter().rev() {
            if text.get(start..end).is_none() {
                return Ok(None);
            }
            text.replace_range(start..end, &new);
        }
        let answer = program.compile_text(&judge.workspace.tools.rustc, scratch, &text)?;
        let (verdict, _, errors) = judge.weigh(case, &text, &answer);
        match (verdict, answer) {
            (Verdict::Guards | Verdict::Compiles, _) => {
                return Ok(Some(repair(add, verdict, &errors)));
            }
            (_, Answer::Fails(next)) => said = next,
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn repair(add: BTreeSet<String>, then: Verdict, errors: &[Judged]) -> Repair {
    let error = errors.first().map(|error| {
        let code = error.code.iter().map(|code| format!("{code}: "));
        code.chain([error.message.clone()]).collect()
    });
    Repair { add: add.into_iter().collect(), then, error }
}

/// Runs the documentation tests once more with the features that void ones lack, and says what these
/// do then.
///
/// # Errors
///
/// If cargo cannot make the libraries with them, or the system refuses.
pub(crate) fn by_features(
    judge: &Judge<'_>,
    cases: &[Case],
    findings: &mut [Option<Finding>],
) -> Result<(), Error> {
    let lacks = |finding: &Finding| -> BTreeSet<String> {
        let gates = finding.errors.iter().filter(|error| !error.fits);
        let names = gates.filter_map(|error| error.feature.as_ref());
        names.map(|name| format!("{}/{name}", finding.package)).collect()
    };
    let is_void = |finding: &&mut Finding| {
        matches!(finding.verdict, Verdict::Void | Verdict::Masked) && finding.repair.is_none()
    };
    let mut lacking: BTreeMap<BTreeSet<String>, Vec<(&Case, &mut Finding)>> = BTreeMap::new();
    for (case, finding) in cases.iter().zip(findings) {
        if let Some(finding) = finding.as_mut().filter(is_void) {
            let features = lacks(finding);
            if !features.is_empty() {
                lacking.entry(features).or_default().push((case, finding));
            }
        }
    }
    let packages = judge.workspace.packages()?;
    for (features, void) in lacking {
        let list = features.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let records = judge.workspace.doctests(&packages, &["--features", &list])?;
        for (case, finding) in void {
            let Some(program) = records.iter().find_map(|record| same(case, record)) else {
                continue;
            };
            let scratch = tempfile::tempdir()?;
            let answer = program.compile(&judge.workspace.tools.rustc, scratch.path())?;
            let (verdict, _, errors) = judge.weigh(case, &program.text, &answer);
            if matches!(verdict, Verdict::Guards | Verdict::Compiles) {
                let add = [format!("--features {list}")].into();
                finding.repair = Some(repair(add, verdict, &errors));
            }
        }
    }
    Ok(())
}

/// The program of a case among what rustdoc collected once more.
fn same<'r>(case: &Case, record: &'r Record) -> Option<&'r Program> {
    let (Some(own), Record::Program(program)) = (&case.program, record) else { return None };
    (program.runner == own.runner && program.text == own.text).then_some(program)
}

/// The import that the compiler proposes for an error: one from the crate itself, if it has the choice.
fn import<'d>(error: &'d Diagnostic, roots: &BTreeSet<String>) -> Option<&'d DiagnosticSpan> {
    let proposes = |span: &&DiagnosticSpan| {
        span.suggested_replacement.as_ref().is_some_and(|new| {
            let new = new.trim();
            new.starts_with("use ") && new.ends_with(';')
        })
    };
    let spans = || error.children.iter().flat_map(|child| &child.spans).filter(proposes);
    let of_crate = |span: &&DiagnosticSpan| {
        let new = span.suggested_replacement.as_deref().unwrap_or_default();
        let path = new.trim().trim_start_matches("use ");
        path.split("::").next().is_some_and(|root| roots.contains(root))
    };
    spans().find(of_crate).or_else(|| spans().next())
}

/// An import that the compiler does not think of: from the root of the crate.
fn guess(error: &Diagnostic, case: &Case) -> Option<String> {
    const NOT_FOUND: [&str; 5] = ["E0425", "E0433", "E0412", "E0405", "E0422"];
    let code = diagnostic::code(error).unwrap_or("none");
    if !NOT_FOUND.contains(&code) && !error.message.starts_with("cannot find") {
        return None;
    }
    let name = error.message.split('`').nth(1)?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| format!("use {}::{name};\n", case.package.replace('-', "_")))
}

/// Where a program's first item may stand.
fn head(text: &str) -> usize {
    const BEFORE: [&str; 4] = ["#!", "//", "extern crate", "#[allow(unused_extern"];
    let before = |line: &&str| {
        let line = line.trim();
        line.is_empty() || BEFORE.iter().any(|begins| line.starts_with(begins))
    };
    text.split_inclusive('\n').take_while(before).map(str::len).sum()
}
