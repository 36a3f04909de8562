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
    let suite = Suite::open(&workspace::root().join("ui-tests/suite.toml"));
    let mut cases = suite.rooms().into_iter().flat_map(|room| room.cases().0);
    let case = cases.find(|case| case.id == id).ok_or_else(|| PartError::NoCase(id.to_owned()))?;
    let words = read(&case.snapshot)?;
    let twin = read(&case.twin)?;
    Ok(format!(
        "Rejected ({}):\n\n```rust,ignore\n{}\n```\n\nThe compiler says:\n\n```text\n{}\n```\n\nAccepted ({}):\n\n```diff\n{}\n```\n",
        link(&case.file, page),
        case.text.trim_end(),
        words.trim_end(),
        link(&case.twin, page),
        differing(&case, &twin).trim_end(),
    ))
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
