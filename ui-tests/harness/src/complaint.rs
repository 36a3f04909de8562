//! What is wrong with a suite, in words that say what to write.

use std::fmt;
use std::path::Path;

/// One thing that is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// The file, short enough to be read.
    pub file: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl Complaint {
    /// A complaint about `file`, which is named by its last three parts: room, folder, file.
    pub fn about(file: &Path, what: impl Into<String>) -> Self {
        let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
        let tail = &parts[parts.len().saturating_sub(3)..];
        Complaint { file: tail.join("/"), what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Ends a test unless there are no complaints.
///
/// # Panics
///
/// With the list of the complaints, if there are any.
#[track_caller]
pub fn none(mut complaints: Vec<Complaint>) {
    complaints.sort();
    let lines: Vec<_> = complaints.iter().map(|complaint| format!("\n  {complaint}")).collect();
    assert!(lines.is_empty(), "{} complaints:{}\n", lines.len(), lines.concat());
}
