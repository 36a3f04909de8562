//! The second layer: the snapshot shows the marked error, where it is marked, and no other.

use crate::{Case, Code, Complaint};

/// One error in a snapshot.
#[derive(Debug)]
struct Shown<'a> {
    code: Code,
    message: &'a str,
    /// File and line where the compiler points first.
    place: Option<(&'a str, usize)>,
}

/// What is wrong between a case and its snapshot.
///
/// `quotes_std` says that the snapshot may quote the standard library's source.
pub fn complaints(case: &Case, quotes_std: bool) -> Vec<Complaint> {
    let about = |what: String| Complaint::about(&case.snapshot, what);
    let Ok(text) = std::fs::read_to_string(&case.snapshot) else {
        return vec![about(
            "there is no snapshot: run the test once with TRYBUILD=overwrite, \
                           then read what was written"
                .to_owned(),
        )];
    };
    let mut complaints = Vec::new();
    if ["<<<<<<<", ">>>>>>>"].iter().any(|conflict| text.contains(conflict)) {
        complaints.push(about("it holds the marks of a merge conflict".to_owned()));
    }
    if text.contains("$RUST") && !quotes_std {
        complaints.push(about(
            "it points into the standard library ($RUST), and reads differently where rust-src is \
             installed: write the case so that no note leaves it, use a static assertion, or list \
             it under `quotes_std` in suite.toml with the reason"
                .to_owned(),
        ));
    }
    match errors(&text).as_slice() {
        [shown] => complaints.extend(compare(case, shown).map(about)),
        shown => {
            let codes: Vec<_> = shown.iter().map(|shown| shown.code.to_string()).collect();
            complaints.push(about(format!(
                "it shows {} errors ({}): a case has exactly one, make a case of each",
                shown.len(),
                codes.join(", ")
            )));
        }
    }
    complaints
}

fn compare(case: &Case, shown: &Shown<'_>) -> Option<String> {
    let mark = &case.mark;
    let file = case.file.file_name().unwrap_or_default().to_string_lossy();
    if shown.code != mark.code {
        return Some(format!(
            "it shows {} and the case is named {}: the program fails for another reason than \
             the one it claims ({})",
            shown.code, mark.code, shown.message
        ));
    }
    match shown.place {
        Some((place, line)) if place.ends_with(&*file) && line == mark.line => {}
        Some((place, line)) => {
            return Some(format!(
                "the error is at {place}:{line} and the mark is on line {}: mark the line that \
                 the compiler points at, or find out why it points there",
                mark.line
            ));
        }
        None => return Some(format!("the error has no place: {}", shown.message)),
    }
    let missing = mark.names.iter().find(|name| !has_word(shown.message, name))?;
    Some(format!(
        "line {} is marked `{missing}` and the message does not name it: {}",
        mark.line, shown.message
    ))
}

fn has_word(message: &str, word: &str) -> bool {
    message.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

fn errors(text: &str) -> Vec<Shown<'_>> {
    let mut found: Vec<Shown<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(headline) = line.strip_prefix("error") {
            found.extend(headline_of(headline));
        } else if let (Some(shown), Some(place)) =
            (found.last_mut(), line.trim_start().strip_prefix("--> "))
        {
            shown.place = shown.place.or_else(|| {
                let mut parts = place.splitn(3, ':');
                Some((parts.next()?, parts.next()?.parse().ok()?))
            });
        }
    }
    found
}

/// Reads what follows `error`; the closing lines of a failed build are no errors.
fn headline_of(headline: &str) -> Option<Shown<'_>> {
    let (code, message) = match headline.strip_prefix('[') {
        Some(rest) => {
            let (code, message) = rest.split_once("]: ")?;
            (Code::parse(code)?, message)
        }
        None => (Code::None, headline.strip_prefix(": ")?),
    };
    let closing = ["could not compile", "aborting due to"];
    let closes = closing.iter().any(|closing| message.starts_with(closing));
    (!closes).then_some(Shown { code, message, place: None })
}
