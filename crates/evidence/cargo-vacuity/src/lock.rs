//! What was believed of each case, kept in a file `vacuity.lock`.
//!
//! A compiler's words change with every release, and snapshots of them are taken anew without being
//! read. The lock keeps what stays: the verdict, and of each error its code, its kind, the names of
//! the crate in it and the marked expression. A case fails *for another reason* if no error of its
//! kind names the same or marks the same; that its code changed is not enough.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::check::Report;
use crate::error::{Error, read_toml};
use crate::report::word;
use crate::verdict::{Finding, Judged, Verdict};

/// The file's name, beside the workspace's manifest.
pub(crate) const FILE: &str = "vacuity.lock";

const VERSION: u32 = 1;

/// Everything that was believed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    version: u32,
    #[serde(default, rename = "case", skip_serializing_if = "Vec::is_empty")]
    cases: Vec<Believed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Believed {
    case: String,
    verdict: Verdict,
    #[serde(default, rename = "error", skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Reason>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    kind: String,
    names: Vec<String>,
    expression: String,
}

impl Reason {
    fn of(error: &Judged) -> Self {
        Reason {
            code: error.code.clone(),
            kind: error.kind.clone(),
            names: error.names.clone(),
            expression: error.expression.clone(),
        }
    }

    /// Whether an error is the same to a person: of one kind, and about one thing.
    fn is_like(&self, other: &Reason) -> bool {
        let shared = self.names.iter().any(|name| other.names.contains(name));
        self.kind == other.kind
            && (shared || (self.expression == other.expression && !self.expression.is_empty()))
    }
}

impl Lock {
    /// What a report says now.
    pub(crate) fn of(report: &Report) -> Self {
        let believed = |finding: &Finding| Believed {
            case: finding.case.clone(),
            verdict: finding.verdict,
            errors: finding.errors.iter().map(Reason::of).collect(),
        };
        let mut cases: Vec<_> = report.findings.iter().map(believed).collect();
        cases.sort_by(|a, b| a.case.cmp(&b.case));
        Lock { version: VERSION, cases }
    }

    /// Reads the lock of a workspace. One that does not exist believes nothing.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or was written by a later version of the tool.
    pub(crate) fn read(workspace: &Path) -> Result<Self, Error> {
        let file = workspace.join(FILE);
        let lock = read_toml(&file)?.unwrap_or(Lock { version: VERSION, cases: Vec::new() });
        if lock.version != VERSION {
            let what = format!("version {} is not known here, only {VERSION}", lock.version);
            return Err(Error::Format(file, what));
        }
        Ok(lock)
    }

    /// Writes the lock of a workspace, whole or not at all.
    pub(crate) fn write(&self, workspace: &Path) -> Result<(), Error> {
        let file = workspace.join(FILE);
        let text = toml::to_string(self).map_err(Error::format(&file))?;
        let text = format!("# Written by `cargo vacuity --bless`: why each case fails.\n{text}");
        let new = file.with_extension("lock.new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &file));
        written.map_err(|error| {
            drop(fs::remove_file(new));
            Error::File(file, error)
        })
    }

    /// What a report says otherwise than the lock, one sentence each.
    pub(crate) fn differences(&self, report: &Report) -> Vec<String> {
        let mut left: BTreeMap<&str, &Believed> =
            self.cases.iter().map(|believed| (believed.case.as_str(), believed)).collect();
        let mut found = Vec::new();
        for finding in &report.findings {
            let place = format!("{}:{}", finding.file.display(), finding.line);
            let is = word(finding.verdict);
            match left.remove(finding.case.as_str()) {
                None => found.push(format!("{place}: a new case ({is}): `{}`", finding.case)),
                Some(believed) if believed.verdict != finding.verdict => {
                    let was = word(believed.verdict);
                    found.push(format!("{place}: it was {was} and is {is}: {}", finding.why));
                }
                Some(believed) => {
                    let now: Vec<Reason> = finding.errors.iter().map(Reason::of).collect();
                    let other = |one: &&Reason| !now.iter().any(|error| error.is_like(one));
                    if let Some(was) = believed.errors.iter().find(other) {
                        let now = finding.errors.first().map_or("nothing", |error| &error.message);
                        found.push(format!(
                            "{place}: it fails for another reason: it was {} about {} at `{}`, and \
                             is: {now}",
                            was.kind,
                            was.names.join(", "),
                            was.expression
                        ));
                    }
                }
            }
        }
        found.extend(left.into_keys().map(|case| format!("{case}: the case is gone")));
        found
    }
}
