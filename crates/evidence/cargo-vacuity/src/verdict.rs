//! The verdict on a case.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use cargo_metadata::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::collect::Case;
use crate::names::Names;
use crate::program::Answer;
use crate::repair;
use crate::rules::{self, Fit};
use crate::source;
use crate::workspace::{Workspace, folder_of};
use cargo_vacuity::diagnostic;

/// What a case is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It fails by an error that such a case can be about, which names something of the crate.
    Guards,
    /// It fails for a reason that has nothing to do with the crate.
    Void,
    /// It fails for several reasons, one of them void: with the fitting one gone it fails still.
    Masked,
    /// No runner runs it.
    NeverRun,
    /// It is not meant to be compiled here.
    NotOurs,
    /// It compiles; its runner says so too.
    Compiles,
    /// The compiler did not answer.
    Unknown,
}

/// One error, judged.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Judged {
    /// Its code, or a lint's name.
    pub(crate) code: Option<String>,
    /// What kind of error it is, by the rules.
    pub(crate) kind: String,
    /// What the compiler says.
    pub(crate) message: String,
    /// Where, seen from the workspace.
    pub(crate) file: PathBuf,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The expression that the compiler marks.
    pub(crate) expression: String,
    /// The names of the crate that it is about.
    pub(crate) names: Vec<String>,
    /// The feature without which something is not there.
    #[serde(skip)]
    pub(crate) feature: Option<String>,
    /// The lines of the program that the compiler points at.
    #[serde(skip)]
    pub(crate) lines: BTreeSet<usize>,
    /// Whether it is what a case can be about.
    pub(crate) fits: bool,
    /// Why, or why not.
    pub(crate) reason: String,
    /// Whether the program was never meant to be compiled here.
    pub(crate) not_ours: bool,
}

/// A change of a void case that was tried.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Repair {
    /// What to add: imports, or features to the command.
    pub(crate) add: Vec<String>,
    /// What the case does then.
    pub(crate) then: Verdict,
    /// How it fails then, if it does.
    pub(crate) error: Option<String>,
}

/// A case and what it is worth.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// The case's name, which stays when lines move.
    pub(crate) case: String,
    /// Its package.
    pub(crate) package: String,
    /// Its file, seen from the workspace.
    pub(crate) file: PathBuf,
    /// Its line, from 1.
    pub(crate) line: usize,
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// In one sentence.
    pub(crate) why: String,
    /// The compiler's errors.
    pub(crate) errors: Vec<Judged>,
    /// For a void or masked case, what would make it one.
    pub(crate) repair: Option<Repair>,
    /// For one that is never run: what it would be worth.
    pub(crate) otherwise: Option<Verdict>,
}

/// What a judge knows of the crates under test.
#[derive(Debug)]
pub(crate) struct Judge<'w> {
    pub(crate) workspace: &'w Workspace,
    /// For each package: the crates under test, and what they declare.
    about: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
}

impl<'w> Judge<'w> {
    pub(crate) fn new(workspace: &'w Workspace, cases: &[Case]) -> Self {
        let mut about = BTreeMap::<_, (BTreeSet<_>, BTreeSet<_>)>::new();
        let mut declared: BTreeMap<&Path, BTreeSet<String>> = BTreeMap::new();
        for case in cases {
            if about.contains_key(&case.package) {
                continue;
            }
            let (roots, names) = about.entry(case.package.clone()).or_default();
            // The package, and those of the user's own that it depends on.
            for package in own_packages(workspace, &case.package) {
                let folder = folder_of(package);
                roots.insert(package.name.replace('-', "_"));
                roots.extend(package.targets.iter().filter_map(|target| {
                    let library = target.src_path.as_str().contains("src");
                    library.then(|| target.name.replace('-', "_"))
                }));
                // A crate of macros is documented by the crate that they are for.
                let is_for =
                    |name: &String| package.name.replace('-', "_").starts_with(name.as_str());
                let dependencies =
                    package.dependencies.iter().map(|one| one.name.replace('-', "_"));
                roots.extend(dependencies.filter(is_for));
                let sources = folder.join("src");
                let sources = if sources.is_dir() { sources } else { folder.to_owned() };
                let of_folder =
                    declared.entry(folder).or_insert_with(|| source::declared(&sources));
                names.extend(of_folder.iter().cloned());
            }
        }
        Judge { workspace, about }
    }

    /// Judges one case; `scratch` is a folder of this call's own.
    ///
    /// Returns `None` if it is none: a program without a snapshot that compiles is a case of its
    /// runner's that must.
    pub(crate) fn judge(&self, case: &Case, scratch: &Path) -> io::Result<Option<Finding>> {
        let mut finding = Finding {
            case: case.id.clone(),
            package: case.package.clone(),
            file: case.file.clone(),
            line: case.line,
            verdict: Verdict::NeverRun,
            why: String::new(),
            errors: Vec::new(),
            repair: None,
            otherwise: None,
        };
        if let Some(program) = &case.program {
            let answer = program.compile(&self.workspace.tools.rustc, scratch)?;
            if matches!(answer, Answer::Compiles) && program.may_compile() {
                return Ok(None);
            }
            let (verdict, why, errors) = self.weigh(case, &program.text, &answer);
            finding = Finding { verdict, why, errors, ..finding };
            if let (Verdict::Void | Verdict::Masked, Answer::Fails(said)) = (verdict, &answer) {
                finding.repair = repair::find(self, case, program, said, scratch)?;
            }
        }
        if let Some(why) = &case.never_run {
            finding.otherwise = case.program.is_some().then_some(finding.verdict);
            finding.verdict = Verdict::NeverRun;
            finding.why.clone_from(why);
        }
        Ok(Some(finding))
    }

    /// The names of the crates under test of a case's package.
    pub(crate) fn roots(&self, case: &Case) -> &BTreeSet<String> {
        &self.about[&case.package].0
    }

    /// The verdict on one text of a case's program.
    pub(crate) fn weigh(
        &self,
        case: &Case,
        text: &str,
        answer: &Answer,
    ) -> (Verdict, String, Vec<Judged>) {
        let said = match answer {
            Answer::Compiles => return (Verdict::Compiles, "it compiles".to_owned(), Vec::new()),
            Answer::Unknown(what) => return (Verdict::Unknown, what.clone(), Vec::new()),
            Answer::Fails(said) => said,
        };
        let (roots, declared) = &self.about[&case.package];
        let Some(program) = &case.program else {
            return (Verdict::Unknown, String::new(), Vec::new());
        };
        let names = Names::of(program, text, roots, declared);
        let parses = syn::parse_file(text).is_ok();
        let mut errors: Vec<Judged> =
            diagnostic::errors(said).map(|error| judged(case, error, &names, parses)).collect();
        errors.sort_by_key(|error| error.line);
        let (verdict, why) = sum_up(case, &errors, &names);
        (verdict, why, errors)
    }
}

fn own_packages<'w>(
    workspace: &'w Workspace,
    name: &str,
) -> impl Iterator<Item = &'w cargo_metadata::Package> {
    let metadata = &workspace.metadata;
    let mut wanted: Vec<String> = vec![name.to_owned()];
    let mut next = 0;
    while let Some(name) = wanted.get(next).cloned() {
        let package = metadata.packages.iter().find(|one| one.name.as_str() == name);
        for dependency in package.iter().flat_map(|one| &one.dependencies) {
            if dependency.path.is_some() && !wanted.contains(&dependency.name) {
                wanted.push(dependency.name.clone());
            }
        }
        next += 1;
    }
    metadata.packages.iter().filter(move |one| wanted.iter().any(|name| *name == one.name.as_str()))
}

/// The feature in ``the item is gated behind the `x` feature``.
fn gate(words: &str) -> Option<String> {
    let (_, rest) = words.split_once("gated behind the `")?;
    let (name, rest) = rest.split_once('`')?;
    rest.trim().starts_with("feature").then(|| name.to_owned())
}

/// Why an error of a fitting kind does not fit.
const NAMES_NOTHING: &str =
    "The error names nothing of the crate: it is about the language or the standard library.";

fn judged(case: &Case, error: &Diagnostic, names: &Names<'_>, parses: bool) -> Judged {
    let rule = rules::rule(error, names.declared, parses, &case.claim);
    let about = names.in_error(error);
    let span = names.place(error);
    let line = span.map_or(case.line, |span| span.line_start.saturating_add_signed(case.offset));
    let marked = span.and_then(|span| span.text.first()).map(|line| {
        let chars = line.text.chars().skip(line.highlight_start.saturating_sub(1));
        chars.take(line.highlight_end.saturating_sub(line.highlight_start)).collect()
    });
    let code = diagnostic::code(error).map(str::to_owned);
    let stated = code.as_ref().is_some_and(|code| case.stated.contains(code));
    let (fits, reason) = match rule.verdict {
        Fit::Fitting if about.is_empty() => (false, NAMES_NOTHING.to_owned()),
        Fit::Fitting => (true, rule.reason.clone()),
        // That a name is absent can be the claim: then the case says so.
        _ if stated && !about.is_empty() && names.in_message(error) => {
            (true, "The case states this code.".to_owned())
        }
        // What a macro makes of its input is how it refuses it.
        _ if rule.of_input && names.in_macro(error) => {
            (true, "A macro of the crate refuses its input by this error.".to_owned())
        }
        _ => (false, rule.reason.clone()),
    };
    Judged {
        code,
        kind: rule.kind.clone(),
        not_ours: rule.verdict == Fit::NotOurs,
        message: error.message.clone(),
        file: case.file.clone(),
        line,
        expression: marked.unwrap_or_default(),
        names: about,
        feature: rules::said(error).into_iter().find_map(gate),
        lines: names.pointed_at(error),
        fits,
        reason,
    }
}

/// Why a fitting error is not the one that is meant.
const ELSEWHERE: &str =
    "A comment says where the error is to be, and the compiler points elsewhere.";

/// Whether the program marks where it is wrong and no error is about that place.
fn elsewhere(case: &Case, errors: &[Judged]) -> bool {
    let near =
        |at: usize| move |line: &usize| line.saturating_add_signed(case.offset).abs_diff(at) <= 1;
    let pointed = |at: &usize| errors.iter().flat_map(|error| &error.lines).any(near(*at));
    let shown = errors.iter().all(|error| !error.lines.is_empty());
    !case.marked.is_empty() && shown && !case.marked.iter().any(pointed)
}

fn sum_up(case: &Case, errors: &[Judged], names: &Names<'_>) -> (Verdict, String) {
    let fits = errors.iter().any(|error| error.fits);
    // What a macro refuses it does not make: names that are missing then are no second reason.
    let refused = errors.iter().any(|error| error.fits && error.kind == "macro");
    let follows = |error: &Judged| {
        let of_names = ["name resolution", "unknown method", "unlinked crate", "unknown macro"];
        let of_name = refused && of_names.contains(&error.kind.as_str());
        // The same error once more, at a place that says less.
        let again = |one: &Judged| one.fits && one.code == error.code && one.kind == error.kind;
        of_name || (error.reason == NAMES_NOTHING && errors.iter().any(again))
    };
    let first_void = errors.iter().find(|error| !error.fits && !follows(error));
    let states = |error: &Judged| error.code.as_ref().is_some_and(|is| case.stated.contains(is));
    match (first_void, errors.first()) {
        (Some(error), _) if fits => (Verdict::Masked, error.reason.clone()),
        (Some(error), _) if error.not_ours => (Verdict::NotOurs, error.reason.clone()),
        (Some(error), _) if !names.names_crate => {
            (Verdict::Void, format!("It never names the crate. {}", error.reason))
        }
        (Some(error), _) => (Verdict::Void, error.reason.clone()),
        (None, Some(_)) if !names.names_crate => {
            (Verdict::Void, "It never names the crate: any crate would give this error.".to_owned())
        }
        (None, Some(error)) if !case.stated.is_empty() && !errors.iter().any(states) => {
            let is = error.code.as_deref().unwrap_or("no code");
            let stated = case.stated.join(", ");
            let why = format!(
                "It states {stated} and fails with {is}, which a stable compiler does not compare."
            );
            (Verdict::Void, why)
        }
        (None, Some(_)) if elsewhere(case, errors) => (Verdict::Void, ELSEWHERE.to_owned()),
        (None, Some(error)) => (Verdict::Guards, error.reason.clone()),
        (None, None) => (Verdict::Unknown, "the compiler names no error".to_owned()),
    }
}
