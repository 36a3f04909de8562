//! A report for people.

use std::fmt::{self, Write};

use crate::check::Report;
use crate::mutants::{Fate, Mutation};
use crate::verdict::{Finding, Verdict};

/// The verdicts in the order of a summary, with the word for one case and for some.
const WORDS: [(Verdict, &str, &str); 7] = [
    (Verdict::Guards, "guards", "guard"),
    (Verdict::Void, "void", "void"),
    (Verdict::Masked, "masked", "masked"),
    (Verdict::Compiles, "compiles", "compile"),
    (Verdict::NeverRun, "never run", "never run"),
    (Verdict::NotOurs, "not ours", "not ours"),
    (Verdict::Unknown, "unknown", "unknown"),
];

/// Writes what is wrong with the cases, and a line of counts. With `all`, good ones too.
pub(crate) fn write(report: &Report, all: bool, out: &mut dyn Write) -> fmt::Result {
    for finding in &report.findings {
        if all || finding.verdict != Verdict::Guards {
            write_finding(finding, out)?;
        }
    }
    for problem in &report.problems {
        writeln!(out, "not looked at: {problem}\n")?;
    }
    let count = |verdict| report.count(verdict);
    let total = report.findings.len();
    let plural = if total == 1 { "" } else { "s" };
    write!(out, "{total} case{plural}: {} guard", count(Verdict::Guards))?;
    for (verdict, _, word) in &WORDS[1..] {
        if count(*verdict) > 0 {
            write!(out, ", {} {word}", count(*verdict))?;
        }
    }
    writeln!(out, " ({}, {:.1} s)", report.compiler, report.judging.as_secs_f64())
}

fn write_finding(finding: &Finding, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "{}: {}:{}", word(finding.verdict), finding.file.display(), finding.line)?;
    writeln!(out, "  {}", finding.why)?;
    for error in &finding.errors {
        let code = error.code.as_deref().map_or(String::new(), |code| format!("[{code}]"));
        let message = error.message.lines().next().unwrap_or_default();
        writeln!(out, "  line {}: error{code}: {message}", error.line)?;
    }
    if let Some(repair) = &finding.repair {
        write!(out, "  with `{}` it ", repair.add.join("` and `"))?;
        match (&repair.then, &repair.error) {
            (Verdict::Compiles, _) => writeln!(out, "COMPILES: nothing guards what it says")?,
            (_, Some(error)) => writeln!(out, "guards: {error}")?,
            (_, None) => writeln!(out, "guards")?,
        }
    }
    if let Some(otherwise) = finding.otherwise {
        writeln!(out, "  run, it would be: {}", word(otherwise))?;
    }
    writeln!(out)
}

/// The word for a verdict.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    WORDS.iter().find(|(is, ..)| *is == verdict).map_or("", |(_, word, _)| word)
}

/// Writes what became of each mutant, what is wrong with that, and a line of counts.
pub(crate) fn write_mutation(mutation: &Mutation, out: &mut dyn Write) -> fmt::Result {
    for tried in &mutation.tried {
        let fate = match &tried.fate {
            Fate::Caught(by) => format!("caught by {by}"),
            Fate::Survives => format!("SURVIVES: {}", tried.says),
            Fate::Void(words) => format!("void: {words}"),
            Fate::Already => "changes nothing".to_owned(),
            Fate::Absent(condition) => format!("is not built: it exists only with {condition}"),
        };
        writeln!(out, "{}: {fate}", tried.mutant)?;
    }
    writeln!(out)?;
    for complaint in &mutation.complaints {
        writeln!(out, "{complaint}")?;
    }
    let count = |is: fn(&Fate) -> bool| mutation.tried.iter().filter(|one| is(&one.fate)).count();
    let caught = count(|fate| matches!(fate, Fate::Caught(_)));
    let survive = count(|fate| matches!(fate, Fate::Survives));
    let void = count(|fate| matches!(fate, Fate::Void(_)));
    let already = count(|fate| matches!(fate, Fate::Already));
    let absent = count(|fate| matches!(fate, Fate::Absent(_)));
    let (total, cases) = (mutation.tried.len(), mutation.cases);
    write!(out, "{total} mutants, {cases} cases: {caught} caught, {survive} survive, {void} void")?;
    write!(out, ", {already} change nothing, {absent} are not built")?;
    if mutation.left > 0 {
        write!(out, "; {} are left: run it again to go on", mutation.left)?;
    }
    writeln!(out)
}
