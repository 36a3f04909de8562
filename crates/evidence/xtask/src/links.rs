//! What a page links to and shows, and whether it is there: without the network, so links to
//! other sites are left alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::error::PartError;
use crate::link::{anchor, plain, read};

/// A link, image or page of the summary, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub to: String,
    /// The line, from 1.
    pub line: usize,
}

/// The links and images of a page.
pub fn links(text: &str) -> Vec<Link> {
    let parser = Parser::new_ext(text, extensions());
    let link = |event, at: usize| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(Link { to: dest_url.into_string(), line: text[..at].matches('\n').count() + 1 })
        }
        _ => None,
    };
    parser.into_offset_iter().filter_map(|(event, at)| link(event, at.start)).collect()
}

/// What is wrong with the links of a page, each with its line.
///
/// # Errors
///
/// If the page, or one that it links to, cannot be read.
pub fn dead(page: &Path) -> Result<Vec<String>, PartError> {
    let mut dead = Vec::new();
    for Link { to, line } in links(&read(page)?) {
        if let Some(why) = wrong(page, &to)? {
            dead.push(format!("{}:{line}: {to}: {why}", page.display()));
        }
    }
    Ok(dead)
}

/// Why a link of a page leads nowhere.
fn wrong(page: &Path, to: &str) -> Result<Option<&'static str>, PartError> {
    if to.contains("://") || to.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, part) = to.split_once('#').map_or((to, None), |(path, part)| (path, Some(part)));
    let target = target(page, path);
    if !target.exists() {
        return Ok(Some("there is no such file"));
    }
    let Some(part) = part else { return Ok(None) };
    if target.extension().is_some_and(|is| is == "md") {
        return Ok((!anchors(&read(&target)?).contains(part)).then_some("there is no such heading"));
    }
    let line = part.strip_prefix('L').and_then(|number| number.parse::<usize>().ok());
    let has_it = line.is_some_and(|line| {
        fs::read_to_string(&target).is_ok_and(|text| (1..=text.lines().count()).contains(&line))
    });
    Ok((!has_it).then_some("a file has lines only, as in #L12, and not this one"))
}

/// The file that a path of a page means.
pub(crate) fn target(page: &Path, path: &str) -> PathBuf {
    match path {
        "" => page.to_owned(),
        path => plain(&page.parent().unwrap_or(Path::new("")).join(path)),
    }
}

/// The anchors of a page's headings; a heading that comes again gets a number.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading = None;
    for event in Parser::new_ext(text, extensions()) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let first = anchor(&heading.take().unwrap_or_default());
                let numbered = (1..).map(|number| format!("{first}-{number}"));
                let mut names = std::iter::once(first.clone()).chain(numbered);
                anchors.extend(names.find(|name| !anchors.contains(name)));
            }
            _ => {}
        }
    }
    anchors
}

fn extensions() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_images_are_found_and_code_is_not() {
        let found = links("A [b](c.md#d),\n![e](f.svg).\n\n`[g](h)`\n\n```text\n[i](j)\n```\n");
        let link = |to: &str, line| Link { to: to.to_owned(), line };
        assert_eq!(found, [link("c.md#d", 1), link("f.svg", 2)]);
    }

    #[test]
    fn a_heading_that_comes_again_has_a_number() {
        let anchors = anchors("# A `b` c\n## A b c\n```text\n# Not\n```\n");
        assert_eq!(anchors, ["a-b-c", "a-b-c-1"].map(str::to_owned).into());
    }
}
