//! The claims: what the libraries promise, one sentence each.
//!
//! A claim is one item of a Markdown list: ``* `lock.some-id`: A sentence.`` It stands in the
//! file of its family, `lock.md`. One that no program can attack at compile time ends with
//! `(run time: <test file>::<test>)`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Complaint;
use crate::suite::files;

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its stable name, as `lock.some-id`.
    pub id: String,
    /// What is promised, without the test that shows it.
    pub sentence: String,
    /// Test file and test that show it at run time, if that is how it is shown.
    pub run_time: Option<(String, String)>,
    /// The file of its family.
    pub file: PathBuf,
}

impl Claim {
    /// A complaint about this claim.
    pub fn complaint(&self, what: &str) -> Complaint {
        Complaint::about(&self.file, format!("{}: {what}", self.id))
    }
}

/// All claims, and what is wrong with how they are written.
#[derive(Debug, Default)]
pub struct Claims {
    /// Those that could be read.
    pub claims: Vec<Claim>,
    /// What is wrong with the others.
    pub complaints: Vec<Complaint>,
}

impl Claims {
    /// Reads the claims in the Markdown files of `folder`.
    pub fn read(folder: &Path) -> Self {
        let mut all = Claims::default();
        for file in files(folder, "md") {
            let text = fs::read_to_string(&file).unwrap_or_default();
            for item in items(&text) {
                match claim(&item, &file) {
                    Ok(claim) if all.claims.iter().any(|other| other.id == claim.id) => {
                        all.complaints.push(claim.complaint("there are two claims of this name"));
                    }
                    Ok(claim) => all.claims.push(claim),
                    Err(what) => all.complaints.push(Complaint::about(&file, what)),
                }
            }
        }
        if all.claims.is_empty() {
            all.complaints.push(Complaint::about(folder, "there are no claims"));
        }
        all
    }
}

/// The list items that begin with a name in code type, each as one line.
fn items(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if line.starts_with("* `") {
            items.push(line.to_owned());
            open = true;
        } else if let (true, Some(item)) = (open && line.starts_with("  "), items.last_mut()) {
            item.push(' ');
            item.push_str(line.trim());
        } else {
            open = false;
        }
    }
    items
}

fn claim(item: &str, file: &Path) -> Result<Claim, String> {
    let shape = format!("write a claim as ``* `family.name`: One sentence.``, not {item:?}");
    let (id, sentence) =
        item.strip_prefix("* `").and_then(|rest| rest.split_once("`: ")).ok_or(shape)?;
    let family = file.file_stem().unwrap_or_default().to_string_lossy();
    if id.split_once('.').is_none_or(|(of, name)| of != family || name.is_empty()) {
        return Err(format!("{id}: a claim in this file is named `{family}.<name>`"));
    }
    let (sentence, run_time) = match sentence.split_once("(run time: ") {
        None => (sentence, None),
        Some((sentence, test)) => {
            let test =
                test.trim_end_matches('.').strip_suffix(')').and_then(|test| test.split_once("::"));
            let (file, name) =
                test.ok_or_else(|| format!("{id}: end it with `(run time: <test file>::<test>)`"))?;
            (sentence, Some((file.to_owned(), name.to_owned())))
        }
    };
    let sentence = sentence.trim_end().to_owned();
    Ok(Claim { id: id.to_owned(), sentence, run_time, file: file.to_owned() })
}
