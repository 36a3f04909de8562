//! The text of a file, and where its syntax stands in it.

use std::ops::Range;
use std::thread;

use proc_macro2::Span;
use syn::spanned::Spanned;

use super::Change;

/// Address space, of which little is used: code may be nested deeply.
const STACK: usize = 256 << 20;

/// Parses `text`, and does `work` with the result.
///
/// The parser keeps each text for as long as its thread lives: this one ends.
pub(super) fn parse<T: Send>(
    text: &str,
    work: impl FnOnce(Source<'_>, syn::File) -> T + Send,
) -> Result<T, syn::Error> {
    let error = |text: String| syn::Error::new(Span::call_site(), text);
    let parser = || match syn::parse_file(text) {
        Ok(file) => Ok(work(Source::new(text, &file), file)),
        // A place cannot leave the thread of its parser.
        Err(e) => Err(error(format!("line {}: {e}", e.span().start().line))),
    };
    thread::scope(|scope| {
        let parser = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parser);
        let parser = parser.map_err(|e| error(format!("no thread to parse in: {e}")))?;
        parser.join().unwrap_or_else(|_| Err(error("the parser panicked".into())))
    })
}

pub(super) struct Source<'a> {
    text: &'a str,
    /// What the parser strips in front: a byte order mark and a `#!` line.
    stripped: usize,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, file: &syn::File) -> Self {
        let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
        let stripped = mark + file.shebang.as_ref().map_or(0, String::len);
        Source { text, stripped }
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
