//! Whether an error is about the crate under test.

use std::collections::BTreeSet;
use std::iter::successors;
use std::ops::RangeInclusive;

use cargo_metadata::diagnostic::{Diagnostic, DiagnosticSpan, DiagnosticSpanMacroExpansion};
use proc_macro2::{TokenStream, TokenTree};

use cargo_vacuity::diagnostic;

use crate::rules::{is_common, said};

/// The names of the crate under test, as one program can use them.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    roots: &'a BTreeSet<String>,
    pub(crate) declared: &'a BTreeSet<String>,
    /// What the program reaches through the crate's name.
    reached: BTreeSet<String>,
    /// The crate's attributes, derives and macros that it applies.
    applied: BTreeSet<String>,
    /// The macros that it calls, and the lines of their input.
    calls: Vec<(String, RangeInclusive<usize>)>,
    /// The types that the program itself declares.
    local: BTreeSet<String>,
    /// Whether the program says the crate's name at all.
    pub(crate) names_crate: bool,
    text: &'a str,
}

impl<'a> Names<'a> {
    /// Reads which names of the crates `roots` the program uses.
    pub(crate) fn of(
        text: &'a str,
        roots: &'a BTreeSet<String>,
        declared: &'a BTreeSet<String>,
    ) -> Self {
        let mut reached = BTreeSet::new();
        // rustdoc adds the crate to programs that do not name it.
        let added = |line: &str| line.starts_with("extern crate r#");
        let own: String =
            text.lines().flat_map(|line| [if added(line) { "" } else { line }, "\n"]).collect();
        let mut calls = Vec::new();
        let names_crate = match own.parse::<TokenStream>() {
            Ok(tokens) => {
                macro_calls(tokens.clone(), &mut calls);
                walk(tokens, false, roots, &mut reached)
            }
            Err(_) => {
                // Not even brackets match: words have to do.
                let named = words(&own).any(|word| roots.contains(word));
                let known = words(&own).filter(|word| named && declared.contains(*word));
                reached.extend(known.map(str::to_owned));
                named
            }
        };
        let applied = applied(&own)
            .filter(|word| reached.contains(*word) && !is_common(word))
            .map(str::to_owned)
            .collect();
        let types =
            |pair: &[&str]| (["struct", "enum"].contains(&pair[0])).then(|| pair[1].to_owned());
        let all: Vec<&str> = words(&own).collect();
        let local = all.windows(2).filter_map(types).collect();
        Names { roots, declared, reached, applied, calls, local, names_crate, text }
    }

    /// The names of the crate that an error is about: in what the compiler says, or else on the
    /// lines that it points at, or where what stands there comes from.
    pub(crate) fn in_error(&self, error: &Diagnostic) -> Vec<String> {
        let macros = spans(error).flat_map(expansions);
        let made = macros.flat_map(|of| words(&of.macro_decl_name));
        let quoted = said(error).into_iter().flat_map(quoted);
        let mut found: BTreeSet<&str> =
            quoted.chain(made).filter(|word| self.knows(word)).collect();
        if found.is_empty() {
            found.extend(self.called(error));
        }
        if found.is_empty() {
            let mut lines = pointed_at(error);
            // Where the variables on these lines come from, and so on.
            let used = loop {
                let used: BTreeSet<&str> = self.lines(&lines).flat_map(words).collect();
                let before = lines.len();
                for (index, line) in self.text.lines().enumerate() {
                    if bound(line).any(|name| used.contains(name)) {
                        lines.insert(index + 1);
                    }
                }
                if lines.len() == before {
                    break used;
                }
            };
            found.extend(used.into_iter().filter(|word| self.knows(word)));
        }
        if found.is_empty() && diagnostic::code(error) == Some("E0080") {
            // The compiler evaluates what it calls, and points at the call alone.
            found.extend(words(self.text).filter(|word| self.knows(word)));
        }
        if found.is_empty() {
            // What a macro of the crate makes has names of its own.
            found.extend(self.applied.iter().map(String::as_str));
        }
        found.into_iter().map(str::to_owned).collect()
    }

    /// Whether the compiler points into what one of the crate's macros is given or makes, or names
    /// what it made: `BoxBuilder`, where the program has a `Box`.
    pub(crate) fn in_macro(&self, error: &Diagnostic) -> bool {
        let mut macros = spans(error).flat_map(expansions);
        let extends = |word: &str, own: &String| word.len() > own.len() && word.starts_with(own);
        let mut quoted = said(error).into_iter().flat_map(quoted);
        self.called(error).next().is_some()
            || macros.any(|of| words(&of.macro_decl_name).any(|word| self.knows(word)))
            || (!self.applied.is_empty()
                && quoted.any(|word| self.local.iter().any(|own| extends(word, own))))
    }

    /// The crate's macros into whose input the compiler points.
    fn called(&self, error: &Diagnostic) -> impl Iterator<Item = &str> {
        let lines = pointed_at(error);
        let here =
            move |input: &RangeInclusive<usize>| lines.iter().any(|line| input.contains(line));
        let calls = self.calls.iter().filter(move |(_, input)| here(input));
        calls.map(|(name, _)| name.as_str()).filter(|name| self.knows(name))
    }

    /// Whether the names that the message itself quotes are of the crate, or in it.
    pub(crate) fn in_message(&self, error: &Diagnostic) -> bool {
        let mut quoted = quoted(&error.message).peekable();
        quoted.peek().is_none() || quoted.any(|word| self.knows(word) || self.roots.contains(word))
    }

    fn knows(&self, word: &str) -> bool {
        !is_common(word) && (self.declared.contains(word) || self.reached.contains(word))
    }

    /// Lines of the program, by their numbers.
    fn lines(&self, numbers: &BTreeSet<usize>) -> impl Iterator<Item = &'a str> {
        let numbered = self.text.lines().enumerate();
        numbered.filter(|(index, _)| numbers.contains(&(index + 1))).map(|(_, line)| line)
    }
}

/// The lines of the program that the compiler points at, macros' own left out.
fn pointed_at(error: &Diagnostic) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    for span in spans(error) {
        let span = expansions(span).last().map_or(span, |of| &of.span);
        lines.extend(span.line_start..=span.line_end.min(span.line_start + 20));
    }
    lines
}

fn spans(error: &Diagnostic) -> impl Iterator<Item = &DiagnosticSpan> {
    error.spans.iter().chain(error.children.iter().flat_map(|child| &child.spans))
}

/// The macros that made what stands there, the innermost first.
fn expansions(span: &DiagnosticSpan) -> impl Iterator<Item = &DiagnosticSpanMacroExpansion> {
    successors(span.expansion.as_deref(), |of| of.span.expansion.as_deref())
}

/// The words between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).flat_map(words)
}

pub(crate) fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Each `name!` with the lines of what it is given.
fn macro_calls(tokens: TokenStream, calls: &mut Vec<(String, RangeInclusive<usize>)>) {
    let mut name = None;
    let mut called = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => (name, called) = (Some(ident.to_string()), false),
            TokenTree::Punct(mark) if mark.as_char() == '!' && name.is_some() => called = true,
            TokenTree::Group(group) => {
                if let (true, Some(name)) = (called, name.take()) {
                    let lines = group.span_open().start().line..=group.span_close().end().line;
                    calls.push((name, lines));
                }
                macro_calls(group.stream(), calls);
                called = false;
            }
            _ => (name, called) = (None, false),
        }
    }
}

/// The words of attributes and derives.
fn applied(text: &str) -> impl Iterator<Item = &str> {
    let attributes = text.split("#[").skip(1);
    attributes.filter_map(|rest| rest.split(']').next()).flat_map(words)
}

/// The variables that a line binds: those of its `let`, parameters and loops.
fn bound(line: &str) -> impl Iterator<Item = &str> {
    let of_let = line
        .split_once("let ")
        .map_or("", |(_, rest)| rest.split_once('=').map_or(rest, |(pattern, _)| pattern));
    let of_fn =
        if line.contains("fn ") || line.contains('|') || line.contains("for ") { line } else { "" };
    words(of_let).chain(words(of_fn))
}

/// Adds what follows the name of a root to `reached`, and everything in a `tree` of imports, and says
/// whether a root is named.
fn walk(
    tokens: TokenStream,
    tree: bool,
    roots: &BTreeSet<String>,
    reached: &mut BTreeSet<String>,
) -> bool {
    let (mut inside, mut named) = (tree, false);
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                let ident = ident.trim_start_matches("r#");
                if inside {
                    reached.insert(ident.to_owned());
                } else if roots.contains(ident) {
                    (inside, named) = (true, true);
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => {}
            TokenTree::Group(group) => {
                named |= walk(group.stream(), inside, roots, reached);
                inside = tree;
            }
            _ => inside = tree,
        }
    }
    named
}
