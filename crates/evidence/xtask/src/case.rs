//! A case of the suite, as a page shows it: the rejected program, the compiler's words, and
//! the accepted twin by the lines in which it differs.

use std::path::Path;

use similar::{ChangeTag, TextDiff};
use ui_harness::{Case, Suite};

use crate::error::PartError;
use crate::link::{link, read};
use crate::workspace;

/// A case, by its id.
pub(crate) fn text(id: &str, page: &Path) -> Result<String, PartError> {
    let Shown { case, words, twin } = Shown::read(id)?;
    Ok(format!(
        "Rejected ({}):\n\n```rust,ignore\n{}\n```\n\nThe compiler says:\n\n```text\n{}\n```\n\nAccepted ({}):\n\n```diff\n{}\n```\n",
        link(&case.file, page),
        case.text.trim_end(),
        words.trim_end(),
        link(&case.twin, page),
        differing(&case, &twin).trim_end(),
    ))
}

/// The compiler's answer to a case in a line or two, and the lines that its twin has instead.
pub(crate) fn answer(id: &str, page: &Path) -> Result<String, PartError> {
    let Shown { case, words, twin } = Shown::read(id)?;
    Ok(format!(
        "The compiler says ({}):\n\n```text\n{}\n```\n\n```diff\n{}\n```\n",
        link(&case.file, page),
        in_short(&words),
        differing(&case, &twin).trim_end(),
    ))
}

/// A case with the two files beside it.
struct Shown {
    case: Case,
    /// The compiler's message.
    words: String,
    twin: String,
}

impl Shown {
    fn read(id: &str) -> Result<Self, PartError> {
        let suite = Suite::open(&workspace::root().join("ui-tests/suite.toml"));
        let mut cases = suite.rooms().into_iter().flat_map(|room| room.cases().0);
        let case =
            cases.find(|case| case.id == id).ok_or_else(|| PartError::NoCase(id.to_owned()))?;
        Ok(Shown { words: read(&case.snapshot)?, twin: read(&case.twin)?, case })
    }
}

/// The headline of a message, and what it says under the line at fault.
fn in_short(words: &str) -> String {
    let headline = words.lines().next().unwrap_or_default();
    let label = words.lines().find_map(|line| Some(line.rsplit_once('^')?.1.trim()));
    match label {
        Some(label) if !label.is_empty() && !headline.contains(label) => {
            format!("{headline}\n    {label}")
        }
        _ => headline.to_owned(),
    }
}

/// The lines of a case and of its twin that differ, with one line around them.
fn differing(case: &Case, twin: &str) -> String {
    let unmarked: String = case
        .text
        .lines()
        .map(|line| format!("{}\n", line.split("//~").next().unwrap_or_default().trim_end()))
        .collect();
    let diff = TextDiff::from_lines(&unmarked, twin);
    let mut shown = String::new();
    for group in diff.grouped_ops(1) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            shown.push(sign);
            shown.push_str(change.value());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shortened_to_its_headline_and_the_label_at_fault() {
        let words = "error[E0308]: mismatched types\n --> a.rs:7:8\n  |\n7 |     wait(bql);\n  |     ---- ^^^ types differ\n  |     |\n";
        assert_eq!(in_short(words), "error[E0308]: mismatched types\n    types differ");
        assert_eq!(in_short("error: no\n  | ^^^\n"), "error: no");
        assert_eq!(in_short("error: it says no\n  | ^^^ says no\n"), "error: it says no");
    }
}
