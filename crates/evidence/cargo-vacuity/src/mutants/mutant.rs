//! One mutant: what it changes, what it is called, and the proof that it landed.

use std::ops::Range;
use std::path::PathBuf;

/// One change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The bytes that go.
    pub(crate) range: Range<usize>,
    /// What stands in the range before the change.
    pub(crate) was: String,
    /// What takes their place.
    pub(crate) replace: String,
}

/// The name of a kind of change, and what the library permits after it.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Operator(pub(super) &'static str, pub(super) &'static str);

impl Operator {
    pub(super) const PUBLIC: Self = Self("public", "`{item}` is public");
    pub(super) const MUST_USE: Self = Self("must-use", "the value of `{item}` may be ignored");
    pub(super) const EXHAUSTIVE: Self = Self("exhaustive", "others may rely on all of `{item}`");
    pub(super) const MARKER: Self = Self("marker", "`{item}` affects no variance, `Send`, `Sync`");
    pub(super) const CLONE: Self = Self("clone", "`{item}` may be cloned");
    pub(super) const COPY: Self = Self("copy", "`{item}` may be copied");
    pub(super) const SEND: Self = Self("send", "`{item}` may be sent to another thread");
    pub(super) const SYNC: Self = Self("sync", "`{item}` may be shared between threads");
    pub(super) const DEFAULT: Self = Self("default", "`{item}` may be made out of nothing");
    pub(super) const BOUND: Self = Self("bound", "`{item}` does without the bound `{detail}`");
    pub(super) const UNTIE: Self = Self("untie", "what `{item}` returns may outlive `{detail}`");
    pub(super) const LENT: Self = Self("higher-ranked", "what `{item}` lends `{detail}` escapes");
    pub(super) const RECEIVER: Self = Self("receiver", "`{item}` takes a shared `{detail}`");
    pub(super) const UNSAFE: Self = Self("unsafe", "`{item}` may be called without `unsafe`");
}

/// A change of one declaration, after which the library accepts more programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// The kind of change, as its name says it: `public`, `must-use`, `clone`.
    pub(crate) operator: &'static str,
    /// The path of what is changed inside its file, such as `Guard::split` or `Thread.field`.
    pub(crate) item: String,
    /// Which of several changes of the item; may be empty.
    pub(crate) detail: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// The line of the first change, from 1.
    pub(crate) line: usize,
    /// Disjoint changes in ascending order.
    pub(crate) changes: Vec<Change>,
    /// What the library permits after it, as a clause: "`Guard` may be cloned".
    pub(crate) says: String,
    /// The text of its [`Probe`], for `send` and `sync`.
    pub(crate) probe: Option<String>,
}

/// Why a mutant could not be applied.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum NotLanded {
    /// The text is not the one that the mutant was generated from.
    #[error("bytes {0:?} are not what they were")]
    Moved(Range<usize>),
    /// The result is the text itself.
    #[error("nothing changes")]
    Same,
}

impl Mutant {
    /// Returns `file: operator item [detail]`, which is unique in the file and names no line.
    pub(crate) fn name(&self) -> String {
        let Mutant { operator, item, detail, file, .. } = self;
        let detail = if detail.is_empty() { String::new() } else { format!(" [{detail}]") };
        format!("{}: {operator} {item}{detail}", file.display())
    }

    /// Returns the changed text. Whether it still is Rust, the compiler says.
    ///
    /// # Errors
    ///
    /// If the mutant does not land: see [`NotLanded`].
    pub(crate) fn apply(&self, text: &str) -> Result<String, NotLanded> {
        let (result, _) = splice(text, self.changes.iter().collect())?;
        if result == text { Err(NotLanded::Same) } else { Ok(result) }
    }
}

/// A text that compiles only where a `send` or `sync` mutant would change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// The name of the mutant.
    pub(crate) mutant: String,
    /// Inserts what compiles only if the type has the trait for all its parameters already.
    pub(crate) change: Change,
}

impl Probe {
    /// Inserts probes of one file into its text, and returns where each of them stands in the
    /// result; a compile error whose primary span is in a range belongs to that probe.
    ///
    /// # Errors
    ///
    /// If the probes are not in ascending order, or not of this text.
    pub(crate) fn insert(
        probes: &[Probe],
        text: &str,
    ) -> Result<(String, Vec<Range<usize>>), NotLanded> {
        splice(text, probes.iter().map(|probe| &probe.change).collect())
    }
}

/// Makes changes in a text, and returns with it where each of them stands.
fn splice(text: &str, changes: Vec<&Change>) -> Result<(String, Vec<Range<usize>>), NotLanded> {
    let (mut result, mut places, mut end) = (String::with_capacity(text.len()), Vec::new(), 0);
    for Change { range, was, replace } in changes {
        let kept = text.get(end..range.start).filter(|_| text.get(range.clone()) == Some(was));
        result.push_str(kept.ok_or_else(|| NotLanded::Moved(range.clone()))?);
        places.push(result.len()..result.len() + replace.len());
        result.push_str(replace);
        end = range.end;
    }
    result.push_str(&text[end..]);
    Ok((result, places))
}
