//! The rules by which an error is judged. They are data: `rules.toml`, with a reason each.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cargo_metadata::diagnostic::Diagnostic;
use serde::Deserialize;

use crate::names::words;
use cargo_vacuity::diagnostic;

/// What an error says about its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fit {
    /// A case can be about such an error.
    Fitting,
    /// No case is about such an error.
    Void,
    /// The program was never meant to be compiled here.
    NotOurs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    codes: Vec<String>,
    #[serde(default)]
    message: Vec<String>,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    claimed: Vec<String>,
    declared: Option<bool>,
    standard: Option<bool>,
    parses: Option<bool>,
    /// Whether a macro of the crate that makes such an error refuses its input so.
    #[serde(default)]
    pub(crate) of_input: bool,
    pub(crate) verdict: Fit,
    pub(crate) kind: String,
    pub(crate) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// Methods of the standard library's traits.
    standard: Vec<String>,
    common: Vec<String>,
    marks: Vec<String>,
    rule: Vec<Rule>,
    other: Rule,
}

static RULES: LazyLock<Rules> =
    LazyLock::new(|| toml::from_str(include_str!("rules.toml")).expect("a test reads them"));

/// The rule for an error. `declared` are the names that the crate declares, `parses` says whether
/// the program is Rust before macros are expanded, and `claim` is what is said about it in words, in
/// lower case.
pub(crate) fn rule(
    error: &Diagnostic,
    declared: &BTreeSet<String>,
    parses: bool,
    claim: &str,
) -> &'static Rule {
    let code = diagnostic::code(error).unwrap_or("none");
    let first = error.message.split('`').nth(1).unwrap_or_default();
    let numbered = code.strip_prefix('E').is_some_and(|rest| rest.parse::<u32>().is_ok());
    let is_lint = code != "none" && !numbered;
    let name = words(first).next_back().unwrap_or_default().to_owned();
    let texts = said(error);
    let one_of = |list: &[String], is: &dyn Fn(&str) -> bool| {
        list.is_empty() || list.iter().any(|one| is(one))
    };
    let fits = |rule: &&Rule| {
        rule.codes.iter().any(|is| is == code || (is == "lint" && is_lint))
            && one_of(&rule.message, &|begins| error.message.starts_with(begins))
            && one_of(&rule.says, &|words| texts.iter().any(|text| text.contains(words)))
            && one_of(&rule.claimed, &|words| claim.contains(words))
            && rule.declared.is_none_or(|is| is == declared.contains(&name))
            && rule.standard.is_none_or(|is| is == RULES.standard.contains(&name))
            && rule.parses.is_none_or(|is| is == parses)
    };
    RULES.rule.iter().find(fits).unwrap_or(&RULES.other)
}

/// Whether the standard library has such a name as well.
pub(crate) fn is_common(name: &str) -> bool {
    RULES.common.iter().any(|common| common == name)
}

/// Whether a comment, in lower case, says that its line is the one that is wrong. Those that a runner
/// compares itself, `//~`, do not.
pub(crate) fn marks(comment: &str) -> bool {
    !comment.starts_with('~') && RULES.marks.iter().any(|word| comment.contains(word.as_str()))
}

/// Everything that the compiler says of an error: message, labels, notes and help.
pub(crate) fn said(error: &Diagnostic) -> Vec<&str> {
    let mut texts = vec![error.message.as_str()];
    texts.extend(error.spans.iter().filter_map(|span| span.label.as_deref()));
    for child in &error.children {
        texts.extend(said(child));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_can_be_read_and_says_why() {
        let rules: Rules = toml::from_str(include_str!("rules.toml")).unwrap();
        for rule in rules.rule {
            assert!(!rule.codes.is_empty() && rule.reason.ends_with('.'), "{rule:?}");
        }
    }
}
