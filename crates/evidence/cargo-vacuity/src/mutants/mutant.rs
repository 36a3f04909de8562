//! One mutant: what it changes, what it is called, and the proof that it landed.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use super::source::parse;

/// One change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The bytes that go.
    pub range: Range<usize>,
    /// What stands in the range before the change.
    pub was: String,
    /// What takes their place.
    pub replace: String,
}

macro_rules! operators {
    ($($operator:ident $name:literal $doc:literal,)+) => {
        /// A kind of change; its `Display` is the short name that mutants carry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Operator { $(#[doc = $doc] $operator,)+ }

        impl fmt::Display for Operator {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Operator::$operator => $name,)+ })
            }
        }
    };
}

operators! {
    Public "public" "A private item becomes `pub`.",
    MustUse "must-use" "`#[must_use]` goes.",
    Exhaustive "exhaustive" "`#[non_exhaustive]` goes.",
    Marker "marker" "A marker field no longer affects variance, `Send` and `Sync`.",
    Clone "clone" "`Clone` is implemented.",
    Copy "copy" "`Copy` is implemented.",
    Send "send" "`Send` is implemented.",
    Sync "sync" "`Sync` is implemented.",
    Default "default" "`Default` is implemented.",
    Bound "bound" "One bound goes.",
    Untie "untie" "The result may outlive an argument.",
    HigherRanked "higher-ranked" "What a closure is lent lives as long as the caller likes.",
    Receiver "receiver" "A shared reference will do, in place of `&mut` or of `self` by value.",
    Unsafe "unsafe" "An `unsafe fn` becomes safe.",
}

/// A change of one declaration, after which the library accepts more programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The kind of change.
    pub operator: Operator,
    /// The path of what is changed inside its file, such as `Guard::split` or `Thread.field`.
    pub item: String,
    /// Which of several changes of the item; may be empty.
    pub detail: String,
    /// The file.
    pub file: PathBuf,
    /// The line of the first change, from 1.
    pub line: usize,
    /// Disjoint changes in ascending order.
    pub changes: Vec<Change>,
    /// What the library permits after it, as a clause: "`Guard` may be cloned".
    pub says: String,
    /// The text of its [`Probe`], for `send` and `sync`.
    pub probe: Option<String>,
}

/// Why a mutant could not be applied.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotLanded {
    /// A range is outside the text, or inside a character.
    #[error("bytes {0:?} are not in the text")]
    Outside(Range<usize>),
    /// A range begins before its predecessor ends.
    #[error("bytes {0:?} overlap an earlier change")]
    Overlap(Range<usize>),
    /// Another text stands in the range than when the mutant was generated.
    #[error("the text at bytes {0:?} is now {1:?}")]
    Moved(Range<usize>, String),
    /// The result is the text itself.
    #[error("nothing changes")]
    Same,
    /// The result is no Rust.
    #[error("the result does not parse: {0}")]
    Syntax(String),
}

impl Mutant {
    /// Returns `file: operator item [detail]`, which is unique in the file and names no line.
    pub fn name(&self) -> String {
        let Mutant { operator, item, detail, file, .. } = self;
        let detail = if detail.is_empty() { String::new() } else { format!(" [{detail}]") };
        format!("{}: {operator} {item}{detail}", file.display())
    }

    /// Returns the changed text.
    ///
    /// # Errors
    ///
    /// If the mutant does not land: see [`NotLanded`].
    pub fn apply(&self, text: &str) -> Result<String, NotLanded> {
        let (mut result, mut end) = (String::with_capacity(text.len()), 0);
        for Change { range, was, replace } in &self.changes {
            let found = text.get(range.clone()).ok_or_else(|| NotLanded::Outside(range.clone()))?;
            if found != was {
                return Err(NotLanded::Moved(range.clone(), found.into()));
            }
            let kept = text.get(end..range.start);
            result.extend([kept.ok_or_else(|| NotLanded::Overlap(range.clone()))?, replace]);
            end = range.end;
        }
        result.push_str(&text[end..]);
        if result == text {
            return Err(NotLanded::Same);
        }
        parse(&result, |_, _| ()).map_err(|error| NotLanded::Syntax(error.to_string()))?;
        Ok(result)
    }
}

/// A text that compiles only where a `send` or `sync` mutant would change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The name of the mutant.
    pub mutant: String,
    /// Where the text goes, as an offset in bytes.
    pub at: usize,
    /// Compiles only if the type has the trait for all its parameters already.
    pub text: String,
}

impl Probe {
    /// Inserts probes of one file into its text, and returns where each of them stands in the
    /// result; a compile error whose primary span is in a range belongs to that probe.
    ///
    /// # Errors
    ///
    /// If the probes are not in ascending order, or not of this text.
    pub fn insert(probes: &[Probe], text: &str) -> Result<(String, Vec<Range<usize>>), NotLanded> {
        let (mut result, mut ranges, mut end) = (String::new(), Vec::new(), 0);
        for Probe { at, text: probe, .. } in probes {
            result.push_str(text.get(end..*at).ok_or(NotLanded::Outside(*at..*at))?);
            ranges.push(result.len()..result.len() + probe.len());
            result.push_str(probe);
            end = *at;
        }
        result.push_str(&text[end..]);
        Ok((result, ranges))
    }
}
