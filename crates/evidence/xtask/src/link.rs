//! Links between files of the workspace, the anchors of headings, and the files that are quoted.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::PartError;

/// Links to a file of the workspace by its name, as seen from a page.
pub(crate) fn link(file: &Path, page: &Path) -> String {
    let name = file.file_stem().unwrap_or_default().display();
    format!("[`{name}`]({})", href(file, page))
}

/// Reads a file that a part quotes.
pub(crate) fn read(file: &Path) -> Result<String, PartError> {
    fs::read_to_string(file).map_err(|source| PartError::Read { file: file.to_owned(), source })
}

/// How `file` is linked to from `page`.
pub(crate) fn href(file: &Path, page: &Path) -> String {
    let (file, page) = (plain(file), plain(page));
    let folder = page.parent().unwrap_or(Path::new(""));
    let shared = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().count() - shared;
    let down: PathBuf = file.components().skip(shared).collect();
    format!("{}{}", "../".repeat(up), down.display())
}

/// A path without `.` and `..`.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The anchor that a heading gets, as mdBook and the usual viewers of Markdown make it.
pub(crate) fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_goes_up_as_far_as_it_must() {
        let from = |page, file| href(Path::new(file), Path::new(page));
        assert_eq!(from("/w/docs/a.md", "/w/docs/claims/b.md"), "claims/b.md");
        assert_eq!(from("/w/docs/claims/a.md", "/w/docs/b.md"), "../b.md");
        assert_eq!(from("/w/docs/a.md", "/w/ui-tests/../crates/x.rs"), "../crates/x.rs");
    }

    #[test]
    fn an_anchor_keeps_letters_and_hyphens() {
        assert_eq!(anchor("`lock.one-token`: What, now?"), "lockone-token-what-now");
    }
}
