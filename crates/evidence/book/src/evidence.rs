//! Every claim with what shows it: the programs that must not compile, the edits that would
//! let them, the test at run time, and the chapters that tell of it.

use std::path::{Path, PathBuf};

use ui_harness::weakening::{Declared, Unproven, Weakening};
use ui_harness::{Case, Claim, Claims, Suite};

use crate::link::{anchor, href};
use crate::page::pages;
use crate::part::{PartError, read};
use crate::workspace;

/// A claim, and what there is for it.
struct Evidence<'a> {
    claim: &'a Claim,
    cases: Vec<&'a Case>,
    weakenings: Vec<&'a Weakening>,
    chapters: Vec<&'a Chapter>,
}

/// A page that is read for what it says.
struct Chapter {
    file: PathBuf,
    title: String,
    text: String,
}

/// All claims, as tables of one line a claim, and below them the cases of each.
pub(crate) fn text(page: &Path) -> Result<String, PartError> {
    let suite = Suite::open(&workspace().join("ui-tests/suite.toml"));
    let claims = Claims::read(&suite.claims()).claims;
    let cases: Vec<Case> = suite.rooms().iter().flat_map(|room| room.cases().0).collect();
    let Declared { weakenings, unproven, .. } = Declared::read(&suite);
    let chapters = chapters(page)?;
    let all: Vec<Evidence<'_>> = claims
        .iter()
        .map(|claim| Evidence {
            claim,
            cases: cases.iter().filter(|case| case.claim == claim.id).collect(),
            weakenings: weakenings.iter().filter(|one| one.claim == claim.id).collect(),
            chapters: chapters.iter().filter(|chapter| names(&chapter.text, &claim.id)).collect(),
        })
        .collect();

    let mut text = totals(&all);
    for family in all.chunk_by(|a, b| a.claim.file == b.claim.file) {
        text.push_str(&table(family, page)?);
    }
    text.push_str("\n## Claim by claim\n");
    for family in all.chunk_by(|a, b| a.claim.file == b.claim.file) {
        let name = family.first().and_then(|one| one.claim.id.split('.').next());
        text.push_str(&format!("\n### `{}`\n", name.unwrap_or_default()));
        for one in family {
            text.push_str(&one.details(&unproven, page));
        }
    }
    Ok(text)
}

/// One line on all claims.
fn totals(all: &[Evidence<'_>]) -> String {
    let count = |is: fn(&Evidence<'_>) -> bool| all.iter().filter(|one| is(one)).count();
    let cases: usize = all.iter().map(|one| one.cases.len()).sum();
    let weakenings: usize = all.iter().map(|one| one.weakenings.len()).sum();
    format!(
        "{} claims: {} attacked by {cases} programs that must not compile, each with a twin that does; {} shown by a test \
         that runs; {} by neither. {weakenings} weakenings. {} claims are told of in no chapter.\n",
        all.len(),
        count(|one| !one.cases.is_empty()),
        count(|one| one.claim.run_time.is_some()),
        count(|one| one.cases.is_empty() && one.claim.run_time.is_none()),
        count(|one| one.chapters.is_empty()),
    )
}

/// The claims of one family.
fn table(family: &[Evidence<'_>], page: &Path) -> Result<String, PartError> {
    let Some(first) = family.first() else { return Ok(String::new()) };
    let title = title(&read(&first.claim.file)?);
    let mut text = format!(
        "\n## {title}\n\n| claim | what it says | cases, twins | weakenings | run-time tests | told in |\n\
         | --- | --- | ---: | ---: | ---: | --- |\n"
    );
    for one in family {
        text.push_str(&one.row(page));
    }
    Ok(text)
}

impl Evidence<'_> {
    fn row(&self, page: &Path) -> String {
        let Claim { id, sentence, run_time, .. } = self.claim;
        let counted = |count| match count {
            0 => String::new(),
            n => format!("[{n}](#{})", anchor(id)),
        };
        let cases = counted(self.cases.len());
        let weakenings = counted(self.weakenings.len());
        let tests = counted(run_time.iter().len());
        let (cases, tests) = match (cases.is_empty(), tests.is_empty()) {
            (true, true) => ("**none**".to_owned(), "**none**".to_owned()),
            _ => (cases, tests),
        };
        let chapters: Vec<_> = self
            .chapters
            .iter()
            .map(|chapter| format!("[{}]({})", chapter.title, href(&chapter.file, page)))
            .collect();
        let told = if chapters.is_empty() { "**no chapter**".into() } else { chapters.join(", ") };
        let sentence = sentence.trim_end_matches('.').replace('|', "\\|");
        format!("| `{id}` | {sentence}. | {cases} | {weakenings} | {tests} | {told} |\n")
    }

    /// What there is for the claim, by name.
    fn details(&self, unproven: &[Unproven], page: &Path) -> String {
        let mut text = format!("\n#### `{}`\n\n", self.claim.id);
        if let Some((file, name)) = &self.claim.run_time {
            let link = href(&workspace().join(file), page);
            text.push_str(&format!("* at run time [`{name}`]({link})\n"));
        }
        for case in &self.cases {
            text.push_str(&format!(
                "* [`{}`]({}), [twin]({})\n",
                case.id,
                href(&case.file, page),
                href(&case.twin, page)
            ));
        }
        if let Some(first) = self.weakenings.first() {
            let names: Vec<_> = self.weakenings.iter().map(|one| one.name.as_str()).collect();
            text.push_str(&format!(
                "\nTaken away by ([{}]({})): {}.\n",
                first.file.file_name().unwrap_or_default().display(),
                href(&first.file, page),
                names.join("; ")
            ));
        }
        for case in unproven.iter().filter(|one| self.cases.iter().any(|case| case.id == one.case))
        {
            text.push_str(&format!(
                "\nNo edit lets `{}` compile: {}\n",
                case.case,
                case.why.trim()
            ));
        }
        text
    }
}

/// The pages that may tell of a claim: not the lists of claims, and not this list.
fn chapters(page: &Path) -> Result<Vec<Chapter>, PartError> {
    let docs = workspace().join("docs");
    let mut chapters = Vec::new();
    for file in pages(&docs).map_err(|error| PartError::Pages(Box::new(error)))? {
        if file != page && !file.starts_with(docs.join("claims")) {
            let text = read(&file)?;
            chapters.push(Chapter { title: title(&text), file, text });
        }
    }
    Ok(chapters)
}

/// A page's first heading.
fn title(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default().to_owned()
}

/// Whether a text names a claim, and not one whose name begins with the same words.
fn names(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let next = text[at + id.len()..].chars().next();
        next.is_none_or(|c| !(c.is_alphanumeric() || c == '-' || c == '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_longer_name_is_another_claim() {
        assert!(names("see `lock.read-ends`.", "lock.read-ends"));
        assert!(!names("see `lock.read-ends-late`", "lock.read-ends"));
        assert!(names("`lock.read-ends-late`, `lock.read-ends`", "lock.read-ends"));
    }
}
