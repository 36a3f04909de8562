//! The source files that the rules are about.

use std::fs;
use std::path::{Path, PathBuf};

/// The Rust files below `folder`, each with its path from there and its text.
///
/// # Panics
///
/// If there are none, or one cannot be read: a rule about nothing always holds.
pub(crate) fn of(folder: &Path) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    below(&folder, &mut files);
    assert!(!files.is_empty(), "{} has no Rust files", folder.display());
    let with_text = |file: PathBuf| {
        let name = file.strip_prefix(&folder).expect("below the folder").display().to_string();
        (name, fs::read_to_string(&file).expect("a readable file"))
    };
    files.into_iter().map(with_text).collect()
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            below(&path, files);
        } else if path.extension().is_some_and(|is| is == "rs") {
            files.push(path);
        }
    }
    files.sort();
}
