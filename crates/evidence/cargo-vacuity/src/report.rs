//! A report for people.

use std::fmt::{self, Write};

use crate::check::Report;
use crate::mutants::{Fate, Mutation};
use crate::verdict::{Finding, Verdict};

/// Writes what is wrong with the cases, and a line of counts. With `all`, good ones too.
///
/// # Errors
///
/// If `out` refuses.
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
    for (verdict, word) in [
        (Verdict::Void, "void"),
        (Verdict::Masked, "masked"),
        (Verdict::Compiles, "compile"),
        (Verdict::NeverRun, "never run"),
        (Verdict::NotOurs, "not ours"),
        (Verdict::Unknown, "unknown"),
    ] {
        if count(verdict) > 0 {
            write!(out, ", {} {word}", count(verdict))?;
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
    match verdict {
        Verdict::Guards => "guards",
        Verdict::Void => "void",
        Verdict::Masked => "masked",
        Verdict::NeverRun => "never run",
        Verdict::NotOurs => "not ours",
        Verdict::Compiles => "compiles",
        Verdict::Unknown => "unknown",
    }
}

/// Writes what became of each mutant, what is wrong with that, and a line of counts.
///
/// # Errors
///
/// If `out` refuses.
pub(crate) fn write_mutation(mutation: &Mutation, out: &mut dyn Write) -> fmt::Result {
    let (mut caught, mut survive, mut void, mut already, mut absent) = (0, 0, 0, 0, 0);
    for tried in &mutation.tried {
        let fate = match &tried.fate {
            Fate::Caught(by) => {
                caught += 1;
                format!("caught by {by}")
            }
            Fate::Survives => {
                survive += 1;
                format!("SURVIVES: {}", tried.says)
            }
            Fate::Void(words) => {
                void += 1;
                format!("void: {words}")
            }
            Fate::Already => {
                already += 1;
                "changes nothing".to_owned()
            }
            Fate::Absent(condition) => {
                absent += 1;
                format!("is not built: it exists only with {condition}")
            }
        };
        writeln!(out, "{}: {fate}", tried.mutant)?;
    }
    writeln!(out)?;
    for complaint in &mutation.complaints {
        writeln!(out, "{complaint}")?;
    }
    let total = mutation.tried.len();
    let cases = mutation.cases;
    write!(out, "{total} mutants, {cases} cases: {caught} caught, {survive} survive, {void} void")?;
    write!(out, ", {already} change nothing, {absent} are not built")?;
    if mutation.left > 0 {
        write!(out, "; {} are left: run it again to go on", mutation.left)?;
    }
    writeln!(out)
}
