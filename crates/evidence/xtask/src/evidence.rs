//! Every claim with what shows it: the programs that must not compile and their twins, the edits
//! that would let them compile, and the test at run time.

use std::path::Path;

use ui_harness::weakening::{Declared, Unproven, Weakening};
use ui_harness::{Case, Claim, Claims, Suite};

use crate::error::PartError;
use crate::link::{href, read};
use crate::workspace;

/// A claim, and what there is for it.
struct Evidence<'a> {
    claim: &'a Claim,
    cases: Vec<&'a Case>,
    weakenings: Vec<&'a Weakening>,
    /// Cases that no edit of a library lets compile.
    unproven: Vec<&'a Unproven>,
}

/// Returns all claims: a table for each family, a row for each claim.
pub(crate) fn text(page: &Path) -> Result<String, PartError> {
    let suite = Suite::open(&workspace::root().join("ui-tests/suite.toml"));
    let claims = Claims::read(&suite.claims()).claims;
    let cases: Vec<Case> = suite.rooms().iter().flat_map(|room| room.cases().0).collect();
    let Declared { weakenings, unproven, .. } = Declared::read(&suite);
    let evidence = |claim| Evidence::of(claim, &cases, &weakenings, &unproven);
    let all: Vec<Evidence<'_>> = claims.iter().map(evidence).collect();

    let mut text = totals(&all);
    for family in all.chunk_by(|a, b| a.claim.file == b.claim.file) {
        let Some(first) = family.first() else { continue };
        let heading = title(&read(&first.claim.file)?);
        text.push_str(&format!(
            "\n## {heading}\n\n\
             | claim | what it says | shown by | taken away by |\n| --- | --- | --- | --- |\n"
        ));
        family.iter().for_each(|one| text.push_str(&one.row(page)));
    }
    Ok(text)
}

/// One sentence about all claims.
fn totals(all: &[Evidence<'_>]) -> String {
    let count = |is: fn(&Evidence<'_>) -> bool| all.iter().filter(|one| is(one)).count();
    let cases: usize = all.iter().map(|one| one.cases.len()).sum();
    let weakenings: usize = all.iter().map(|one| one.weakenings.len()).sum();
    format!(
        "{} claims: {} attacked by {cases} programs that must not compile, each with a twin that\n\
         does; {} shown by a test that runs; {} by neither. {weakenings} weakenings.\n",
        all.len(),
        count(|one| !one.cases.is_empty()),
        count(|one| one.claim.run_time.is_some()),
        count(|one| one.cases.is_empty() && one.claim.run_time.is_none()),
    )
}

impl<'a> Evidence<'a> {
    fn of(
        claim: &'a Claim,
        cases: &'a [Case],
        weakenings: &'a [Weakening],
        unproven: &'a [Unproven],
    ) -> Self {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.claim == claim.id).collect();
        let is_here = |one: &&Unproven| cases.iter().any(|case| case.id == one.case);
        Evidence {
            weakenings: weakenings.iter().filter(|one| one.claim == claim.id).collect(),
            unproven: unproven.iter().filter(is_here).collect(),
            claim,
            cases,
        }
    }

    fn row(&self, page: &Path) -> String {
        let Claim { id, sentence, run_time, .. } = self.claim;
        let case = |case: &&Case| {
            let [program, twin] = [&case.file, &case.twin].map(|file| href(file, page));
            let name = case.id.rsplit('/').next().unwrap_or_default();
            format!("[`{name}`]({program}), [twin]({twin})")
        };
        let test = |(file, name): &(_, _)| {
            format!("at run time [`{name}`]({})", href(&workspace::root().join(file), page))
        };
        let shown: Vec<String> =
            run_time.iter().map(test).chain(self.cases.iter().map(case)).collect();
        let shown = if shown.is_empty() { "**nothing**".to_owned() } else { shown.join("<br>") };
        let names: Vec<&str> = self.weakenings.iter().map(|one| one.name.as_str()).collect();
        let weakenings = self
            .weakenings
            .first()
            .map(|first| format!("[edits]({}): {}", href(&first.file, page), names.join("; ")));
        let unproven = self
            .unproven
            .iter()
            .map(|one| format!("no edit lets `{}` compile: {}", one.case, one.why.trim()));
        let taken: Vec<String> = weakenings.into_iter().chain(unproven).collect();
        let cells = [sentence.trim_end_matches('.'), &shown, &taken.join("<br>")]
            .map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        let [sentence, shown, taken] = cells;
        format!("| `{id}` | {sentence}. | {shown} | {taken} |\n")
    }
}

/// A page's first heading.
fn title(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default().to_owned()
}
