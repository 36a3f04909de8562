//! The checks around the cases: of one room, and of the suite as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_vacuity::parallel::in_parallel;

use crate::compiler::{Compiler, Refusal};
use crate::suite::{files, folders};
use crate::{Case, Claims, Complaint, Room, Suite, snapshot, twin};

/// What is wrong in one room without a look at the compiler's words: malformed cases, twins
/// that are too far away, files that belong to no case, too few cases. Compiles nothing.
pub fn room_complaints(room: &Room) -> Vec<Complaint> {
    let (cases, mut complaints) = room.cases();
    complaints.extend(cases.iter().flat_map(twin::complaints));
    // A malformed case would make its twin and snapshot look as if they were nobody's.
    if complaints.is_empty() {
        complaints.extend(orphans(room, &cases));
    }
    if cases.len() < room.at_least {
        let (is, least) = (cases.len(), room.at_least);
        let what = format!("it has {is} well-formed cases, and suite.toml says at least {least}");
        complaints.push(Complaint::about(&room.folder, what));
    }
    complaints
}

/// What is wrong with the snapshots of a room: the second layer.
pub fn snapshot_complaints(suite: &Suite, room: &Room) -> Vec<Complaint> {
    let may_quote = |case: &Case| suite.quotes_std().contains_key(&case.id);
    let (cases, _) = room.cases();
    cases.iter().flat_map(|case| snapshot::complaints(case, may_quote(case))).collect()
}

/// The twins of a room that do not compile.
pub fn twin_complaints(room: &Room, compiler: &Compiler) -> Vec<Complaint> {
    let twins = room.twins();
    // What compiles as a part compiles by itself.
    if compiler.check_together("twins", twins.iter().map(PathBuf::as_path)).is_ok() {
        return Vec::new();
    }
    let checked = in_parallel(&twins, |twin| compiler.check(twin));
    let complaint = |(twin, checked): (&PathBuf, Result<(), Refusal>)| {
        let words = checked.err()?.words;
        Some(Complaint::about(twin, format!("it must compile, and does not:\n{words}")))
    };
    twins.iter().zip(checked).filter_map(complaint).collect()
}

/// Files in `fail/` and `pass/` that belong to no case. Only the two folders themselves are
/// run, so a folder in them would never be.
fn orphans(room: &Room, cases: &[Case]) -> Vec<Complaint> {
    let of_case = |case: &Case| [case.file.clone(), case.snapshot.clone(), case.twin.clone()];
    let known: BTreeSet<PathBuf> = cases.iter().flat_map(of_case).collect();
    let entries = ["fail", "pass"].map(|folder| fs::read_dir(room.folder.join(folder)));
    let paths = entries.into_iter().flatten().flatten().flatten().map(|entry| entry.path());
    let orphan = |path: PathBuf| {
        Complaint::about(&path, "it belongs to no case: remove it, or write its case")
    };
    paths.filter(|path| !known.contains(path)).map(orphan).collect()
}

/// What is wrong with the suite as a whole: claims without a case, cases without a claim,
/// run-time claims without their test, leave to quote the standard library that nobody needs.
pub fn suite_complaints(suite: &Suite) -> Vec<Complaint> {
    let cases: Vec<Case> = suite.rooms().iter().flat_map(|room| room.cases().0).collect();
    let Claims { claims, mut complaints } = Claims::read(&suite.claims());

    let attacked: BTreeSet<&str> = cases.iter().map(|case| case.claim.as_str()).collect();
    for claim in &claims {
        match &claim.run_time {
            None if !attacked.contains(claim.id.as_str()) => complaints.push(claim.complaint(
                "no case attacks it: write one, or end it with `(run time: <test file>::<test>)`",
            )),
            Some((file, test)) if !test_exists(&suite.tests(), file, test) => {
                complaints.push(claim.complaint(&format!("there is no test {file}::{test}")));
            }
            _ => {}
        }
    }
    for case in &cases {
        if !claims.iter().any(|claim| claim.id == case.claim) {
            let what = format!("there is no claim {} in {}", case.claim, suite.claims().display());
            complaints.push(Complaint::about(&case.file, what));
        }
    }
    for id in suite.quotes_std().keys() {
        let quotes = |case: &Case| {
            fs::read_to_string(&case.snapshot).is_ok_and(|text| text.contains("$RUST"))
        };
        if !cases.iter().any(|case| case.id == *id && quotes(case)) {
            complaints.push(Complaint {
                file: "suite.toml".to_owned(),
                what: format!("{id} under `quotes_std` does not quote the standard library"),
            });
        }
    }
    complaints
}

/// Whether a file of this name (or this end of a path) has a test of this name.
fn test_exists(roots: &[PathBuf], file: &str, test: &str) -> bool {
    let end = Path::new(file).with_extension("rs");
    let folders = roots.iter().flat_map(|root| folders(root).unwrap_or_default());
    let mut of_name =
        folders.flat_map(|folder| files(&folder, "rs")).filter(|path| path.ends_with(&end));
    of_name.any(|path| fs::read_to_string(path).is_ok_and(|text| has_test(&text, test)))
}

fn has_test(text: &str, test: &str) -> bool {
    let Some((before, _)) = text.split_once(&format!("fn {test}(")) else { return false };
    let attributes = before.lines().rev().map(str::trim);
    attributes
        .take_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("//"))
        .any(|line| line == "#[test]")
}

/// Complains if snapshots are being taken anew in an automatic run, which would bless
/// anything: `trybuild` and `ci` are the environment's `TRYBUILD` and `CI`.
pub fn overwriting(trybuild: Option<&str>, ci: Option<&str>) -> Vec<Complaint> {
    let automatic = ci.is_some_and(|ci| !ci.is_empty() && ci != "false");
    if trybuild != Some("overwrite") || !automatic {
        return Vec::new();
    }
    let what = "TRYBUILD=overwrite and CI are both set: snapshots are taken by somebody who \
                reads them, so unset TRYBUILD";
    vec![Complaint { file: "the environment".to_owned(), what: what.to_owned() }]
}
