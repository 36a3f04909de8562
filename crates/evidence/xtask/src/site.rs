//! The pages as a site: what mdBook makes of them, and beside it the source that they link to.
//!
//! In the tree a link such as `../crates/core/biglock/src/thread.rs` leads to the file. In a site that
//! stands alone it would lead nowhere, so each such file becomes a page below `source/`, and each
//! such folder a list of what is in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use thiserror::Error;

use crate::link::href;
use crate::links::target;
use crate::svg::escaped;
use crate::workspace::root;

/// Why there is no site.
#[derive(Debug, Error)]
pub enum SiteError {
    /// mdBook cannot be started.
    #[error("mdbook cannot be started (cargo install mdbook, and put it on PATH)")]
    Start(#[source] io::Error),
    /// mdBook does not build the pages.
    #[error("mdbook: {status}\n{said}")]
    Build {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// A file of the site or of the source cannot be read or written.
    #[error("{}: cannot be read or written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Builds the site into a folder. What was there is gone.
///
/// # Errors
///
/// If mdBook is not on `PATH` or fails, or a file cannot be written.
pub fn build(into: &Path) -> Result<(), SiteError> {
    let docs = root().join("docs");
    let mut mdbook = Command::new("mdbook");
    mdbook.arg("build").arg(&docs).arg("--dest-dir").arg(into);
    let output = mdbook.output().map_err(SiteError::Start)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(SiteError::Build { status: output.status, said });
    }
    // It copies what is not a page, its own settings too.
    let settings = into.join("book.toml");
    if settings.exists() {
        fs::remove_file(&settings).map_err(at(&settings))?;
    }

    let mut wanted = Vec::new();
    for page in html(into)? {
        let text = fs::read_to_string(&page).map_err(at(&page))?;
        let original = docs.join(page.strip_prefix(into).unwrap_or(&page));
        let linked = with_source(&text, &original, &mut wanted);
        fs::write(&page, linked).map_err(at(&page))?;
    }
    let mut made = BTreeSet::new();
    while let Some(path) = wanted.pop() {
        if made.insert(path.clone()) {
            show(&path, into, &mut wanted)?;
        }
    }
    Ok(())
}

/// The text of a page of the site with the links that leave `docs/` turned to the source's
/// pages. What they lead to is `wanted`.
fn with_source(text: &str, original: &Path, wanted: &mut Vec<PathBuf>) -> String {
    const LINK: &str = "href=\"";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(LINK) {
        let (before, link) = rest.split_at(at + LINK.len());
        let end = link.find('"').unwrap_or(link.len());
        out.push_str(before);
        match source_of(&link[..end], original) {
            Some((path, part)) => {
                out.push_str(&href(&root().join("docs").join(place(&path)), original));
                out.push_str(part);
                wanted.push(path);
            }
            None => out.push_str(&link[..end]),
        }
        rest = &link[end..];
    }
    out + rest
}

/// The file or folder of the workspace outside `docs/` that a link means, and its `#part`.
fn source_of<'a>(link: &'a str, original: &Path) -> Option<(PathBuf, &'a str)> {
    if link.contains("://") || !link.starts_with("../") {
        return None;
    }
    let (path, part) = link.split_at(link.find('#').unwrap_or(link.len()));
    let mut file = target(original, path);
    // mdBook takes every page of Markdown for one of its own.
    let page = file.with_extension("md");
    if !file.exists() && page.exists() {
        file = page;
    }
    let outside = file.exists() && !file.starts_with(root().join("docs"));
    let path = file.strip_prefix(root()).ok().filter(|_| outside)?;
    Some((path.to_owned(), part))
}

/// The page of the site that shows a file or folder of the workspace.
fn place(path: &Path) -> PathBuf {
    let shown = Path::new("source").join(path);
    if root().join(path).is_dir() {
        shown.join("index.html")
    } else {
        PathBuf::from(format!("{}.html", shown.display()))
    }
}

/// Makes the page that shows a file or folder; what is in a folder is `wanted`.
fn show(path: &Path, into: &Path, wanted: &mut Vec<PathBuf>) -> Result<(), SiteError> {
    let original = root().join(path);
    let body = if original.is_dir() {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&original).map_err(at(&original))? {
            entries.push(entry.map_err(at(&original))?.file_name());
        }
        entries.sort();
        let mut list = String::new();
        for name in entries.iter().filter(|name| *name != "target") {
            let entry = path.join(name);
            let link = href(&place(&entry), &place(path));
            let _ =
                writeln!(list, "<a href=\"{link}\">{}</a>", escaped(&name.display().to_string()));
            wanted.push(entry);
        }
        list
    } else {
        let bytes = fs::read(&original).map_err(at(&original))?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().enumerate();
        let line =
            |(index, line)| format!("<span id=\"L{}\">{}</span>\n", index + 1, escaped(line));
        lines.map(line).collect()
    };
    let name = escaped(&path.display().to_string());
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}</title>\n\
         <style>pre{{overflow-x:auto}}</style>\n<h1>{name}</h1>\n<pre>\n{body}</pre>\n</html>\n"
    );
    let file = into.join(place(path));
    let folder = file.parent().unwrap_or(into);
    fs::create_dir_all(folder).map_err(at(folder))?;
    fs::write(&file, page).map_err(at(&file))
}

/// The pages of a site.
fn html(folder: &Path) -> Result<Vec<PathBuf>, SiteError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() {
            found.extend(html(&path)?);
        } else if path.extension().is_some_and(|is| is == "html") {
            found.push(path);
        }
    }
    Ok(found)
}

/// An error about a file.
fn at(file: &Path) -> impl FnOnce(io::Error) -> SiteError {
    let file = file.to_owned();
    |source| SiteError::File { file, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_source_becomes_a_page_and_others_stay() {
        let page = root().join("docs/claims/lock.html");
        let mut wanted = Vec::new();
        let text =
            "<a href=\"../../crates/evidence/xtask/src/site.rs#L1\"><a href=\"../index.html\">";
        assert_eq!(
            with_source(text, &page, &mut wanted),
            "<a href=\"../source/crates/evidence/xtask/src/site.rs.html#L1\"><a href=\"../index.html\">"
        );
        assert_eq!(wanted, [Path::new("crates/evidence/xtask/src/site.rs")]);
        let folder = "<a href=\"../../crates/evidence/xtask\">";
        assert_eq!(
            with_source(folder, &page, &mut wanted),
            "<a href=\"../source/crates/evidence/xtask/index.html\">"
        );
        let markdown = "<a href=\"../../README.html\">";
        assert_eq!(
            with_source(markdown, &page, &mut wanted),
            "<a href=\"../source/README.md.html\">"
        );
    }
}
