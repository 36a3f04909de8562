//! A page, and the parts between its marks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::PageError;
use crate::part::Part;

const BEGIN: &str = "<!-- begin ";
const CLOSE: &str = " -->";
const END: &str = "<!-- end -->";

/// Every Markdown page in `folder` and below, in order.
///
/// # Errors
///
/// If a folder cannot be read.
pub fn pages(folder: &Path) -> Result<Vec<PathBuf>, PageError> {
    let read = |source| PageError::Read { page: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|is| is == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a page with each of its parts made anew.
///
/// # Errors
///
/// If the page cannot be read, its marks do not match, or a part cannot be made.
pub fn refilled(page: &Path) -> Result<String, PageError> {
    let text = fs::read_to_string(page)
        .map_err(|source| PageError::Read { page: page.to_owned(), source })?;
    let wrong = |line, what| PageError::Mark { page: page.to_owned(), line, what };
    let mut filled = String::with_capacity(text.len());
    let mut open = None;
    let mut fence = None;
    for (index, line) in text.lines().enumerate() {
        // What a code block of the page itself shows is no mark.
        if open.is_none() {
            match (fence, fence_of(line)) {
                (None, opening) => fence = opening,
                (Some(opened), Some(closing)) if closing == opened => fence = None,
                _ => {}
            }
        }
        let number = index + 1;
        let begins = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(CLOSE));
        match (open, begins) {
            _ if fence.is_some() => filled.extend([line, "\n"]),
            (None, Some(named)) => {
                open = Some(number);
                let made =
                    Part::parse(named).and_then(|part| part.text(page)).map_err(|source| {
                        PageError::Part { page: page.to_owned(), line: number, source }
                    })?;
                filled.extend([line, "\n\n", made.trim_end(), "\n\n", END, "\n"]);
            }
            (Some(_), Some(_)) => return Err(wrong(number, "the part before has no end")),
            (Some(_), None) if line == END => open = None,
            (Some(_), None) => {}
            (None, None) if line == END => {
                return Err(wrong(number, "nothing begins before this end"));
            }
            (None, None) => filled.extend([line, "\n"]),
        }
    }
    match open {
        Some(line) => Err(wrong(line, "this part has no end")),
        None => Ok(filled),
    }
}

/// The run of backticks that a line opens or closes a code block with.
fn fence_of(line: &str) -> Option<usize> {
    let ticks = line.bytes().take_while(|byte| *byte == b'`').count();
    (ticks >= 3).then_some(ticks)
}
