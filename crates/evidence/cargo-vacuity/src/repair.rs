//! What a void case lacks: imports that the compiler proposes, tried.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use cargo_metadata::diagnostic::{Diagnostic, DiagnosticSpan};

use crate::collect::Case;
use crate::diagnostic;
use crate::program::{Answer, Program};
use crate::verdict::{Judge, Repair, Verdict};

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
            if let Some(span) = import(error, judge.roots(case)) {
                let new = span.suggested_replacement.clone().unwrap_or_default();
                if add.insert(new.trim().to_owned()) {
                    edits.push((span.byte_start as usize, span.byte_end as usize, new));
                }
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
        let answer = program.compile_text(judge.rustc(), scratch, &text)?;
        let (verdict, _, errors) = judge.weigh(case, &text, &answer);
        match (verdict, answer) {
            (Verdict::Guards | Verdict::Compiles, _) => {
                let error = errors.first().map(|error| {
                    let code =
                        error.code.as_deref().map_or(String::new(), |code| format!("{code}: "));
                    format!("{code}{}", error.message)
                });
                return Ok(Some(Repair { add: add.into_iter().collect(), then: verdict, error }));
            }
            (_, Answer::Fails(next)) => said = next,
            _ => return Ok(None),
        }
    }
    Ok(None)
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
