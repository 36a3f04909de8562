//! The text of a file, and where its syntax stands in it.

use std::ops::Range;

use syn::spanned::Spanned;

use super::Change;

pub(super) struct Source<'a> {
    text: &'a str,
    /// What the parser strips in front: a byte order mark and a `#!` line.
    stripped: usize,
}

impl<'a> Source<'a> {
    pub(super) fn parse(text: &'a str) -> Result<(Self, syn::File), syn::Error> {
        let file = syn::parse_file(text)?;
        let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
        let stripped = mark + file.shebang.as_ref().map_or(0, String::len);
        Ok((Source { text, stripped }, file))
    }

    pub(super) fn range(&self, syntax: &impl Spanned) -> Range<usize> {
        let range = syntax.span().byte_range();
        range.start + self.stripped..range.end + self.stripped
    }

    pub(super) fn start(&self, syntax: &impl Spanned) -> usize {
        self.range(syntax).start
    }

    pub(super) fn end(&self, syntax: &impl Spanned) -> usize {
        self.range(syntax).end
    }

    pub(super) fn at(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    pub(super) fn of(&self, syntax: &impl Spanned) -> &'a str {
        self.at(self.range(syntax))
    }

    /// The text of `syntax` on one line, as names want it.
    pub(super) fn line_of(&self, syntax: &impl Spanned) -> String {
        self.of(syntax).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn replace(&self, range: Range<usize>, replace: impl Into<String>) -> Change {
        Change { was: self.at(range.clone()).into(), range, replace: replace.into() }
    }

    pub(super) fn insert(&self, at: usize, text: impl Into<String>) -> Change {
        self.replace(at..at, text)
    }
}
