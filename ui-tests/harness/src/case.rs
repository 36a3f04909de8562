//! A program that must not compile, and what it says of itself.
//!
//! Its file name begins with the error code (`E0502_read_across_unlock.rs`; `nocode_…` where
//! the compiler gives none), its first line names the claim (`//! claim: lock.some-id`), and
//! the one line at fault ends with `//~ E0502`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Complaint;

/// Codes that say little: a name that does not exist gives them as well as the mistake that
/// is meant. The mark names what the message must name.
const WEAK: [&str; 9] =
    ["E0599", "E0277", "E0432", "E0433", "E0425", "E0603", "E0616", "E0624", "E0451"];

const MARK: &str = "//~";

/// A compiler error's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// As `E0502`.
    Numbered(String),
    /// The compiler gives this error none, as with lifetimes and denied lints.
    None,
}

impl Code {
    /// The code as cases write it: `E0502`, or `nocode`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('E').unwrap_or_default();
        if text == "nocode" {
            Some(Code::None)
        } else if digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            Some(Code::Numbered(text.to_owned()))
        } else {
            None
        }
    }

    fn is_weak(&self) -> bool {
        matches!(self, Code::Numbered(code) if WEAK.contains(&code.as_str()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Numbered(code) => f.write_str(code),
            Code::None => f.write_str("nocode"),
        }
    }
}

/// The mark on the line at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The line, from 1.
    pub line: usize,
    /// The code it names.
    pub code: Code,
    /// Names that the error's message must contain.
    pub names: Vec<String>,
}

/// A well-formed case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Room, code and name, as `locks/E0502_read_across_unlock`.
    pub id: String,
    /// The case.
    pub file: PathBuf,
    /// The compiler's words.
    pub snapshot: PathBuf,
    /// The program next to it that compiles.
    pub twin: PathBuf,
    /// What it says.
    pub text: String,
    /// The claim it attacks.
    pub claim: String,
    /// The line at fault.
    pub mark: Mark,
}

impl Case {
    /// Reads the case `file` of a room: `<room>/fail/<code>_<name>.rs`.
    ///
    /// # Errors
    ///
    /// What is not well formed about it.
    pub fn read(file: &Path) -> Result<Self, Vec<Complaint>> {
        let wrong = |what: &str| Complaint::about(file, what);
        let text = std::fs::read_to_string(file)
            .map_err(|error| vec![wrong(&format!("it cannot be read: {error}"))])?;

        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let named = stem.split_once('_').and_then(|(code, name)| Some((Code::parse(code)?, name)));
        let claim = claim_of(&text);
        let mark = mark_of(&text);
        match (named, claim, mark) {
            (Some((code, name)), Some(claim), Ok(mark)) if code == mark.code => {
                let room = file.ancestors().nth(2).unwrap_or(Path::new(""));
                let room_name = room.file_name().unwrap_or_default().to_string_lossy();
                Ok(Case {
                    id: format!("{room_name}/{stem}"),
                    file: file.to_owned(),
                    snapshot: file.with_extension("stderr"),
                    twin: room.join("pass").join(format!("{name}.rs")),
                    claim: claim.to_owned(),
                    mark,
                    text,
                })
            }
            (named, claim, mark) => {
                let mut complaints = Vec::new();
                if claim.is_none() {
                    complaints.push(wrong("the first line must be `//! claim: <id of a claim>`"));
                }
                match (&named, &mark) {
                    (None, _) => complaints.push(wrong(
                        "name it `<code>_<what it tries>.rs`, with the error code as in \
                         `E0502_read_across_unlock.rs`, or `nocode_…` if the compiler gives none",
                    )),
                    (Some((code, _)), Ok(mark)) if *code != mark.code => {
                        complaints.push(wrong(&format!(
                            "the file is named {code} and line {} is marked {}: write the code \
                             of the error into both",
                            mark.line, mark.code
                        )));
                    }
                    _ => {}
                }
                complaints.extend(mark.err().map(|what| wrong(&what)));
                Err(complaints)
            }
        }
    }
}

/// The claim that the first line of a case or twin names.
pub(crate) fn claim_of(text: &str) -> Option<&str> {
    text.lines().next()?.strip_prefix("//! claim: ").map(str::trim).filter(|id| !id.is_empty())
}

/// A line without its mark.
pub(crate) fn without_mark(line: &str) -> &str {
    line.split_once(MARK).map_or(line, |(code, _)| code)
}

fn mark_of(text: &str) -> Result<Mark, String> {
    let mut marked = text.lines().enumerate().filter(|(_, line)| line.contains(MARK));
    let (Some((index, line)), None) = (marked.next(), marked.next()) else {
        return Err(format!(
            "mark the one line at fault, and no other, by ending it with `{MARK} <code>`"
        ));
    };
    let (program, mark) = line.split_once(MARK).unwrap_or_default();
    let mut words = mark.split_whitespace();
    let code = words.next().and_then(Code::parse).ok_or_else(|| {
        format!("line {}: write `{MARK} E0502` (the error's code) or `{MARK} nocode`", index + 1)
    })?;
    if program.trim().is_empty() {
        return Err(format!("line {}: the mark stands at the end of the line at fault", index + 1));
    }
    let names: Vec<_> = words.map(str::to_owned).collect();
    if names.is_empty() && code.is_weak() {
        return Err(format!(
            "line {}: {code} has many causes: write `{MARK} {code} <name>` with the method, \
             trait, field or type that the message must name",
            index + 1
        ));
    }
    Ok(Mark { line: index + 1, code, names })
}
