//! Whether an error is about the crate under test.

use std::collections::BTreeSet;
use std::iter::successors;
use std::ops::RangeInclusive;

use cargo_metadata::diagnostic::{Diagnostic, DiagnosticSpan, DiagnosticSpanMacroExpansion};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use cargo_vacuity::diagnostic;

use crate::program::Program;
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
    /// The macros that it calls, and what it puts attributes on, with the lines of their input.
    calls: Vec<(String, RangeInclusive<usize>)>,
    /// The types that the program itself declares.
    local: BTreeSet<String>,
    /// Whether the program says the crate's name at all.
    pub(crate) names_crate: bool,
    program: &'a Program,
    text: &'a str,
}

impl<'a> Names<'a> {
    /// Reads which names of the crates `roots` a program uses that has `text`, its own or another.
    pub(crate) fn of(
        program: &'a Program,
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
        let tokens = own.parse::<TokenStream>().ok();
        let names_crate = match tokens.clone() {
            Some(tokens) => {
                macro_calls(tokens.clone(), &mut calls);
                walk(tokens, false, roots, &mut reached)
            }
            None => {
                // Not even brackets match: words have to do.
                let named = words(&own).any(|word| roots.contains(word));
                let known = words(&own).filter(|word| named && declared.contains(*word));
                reached.extend(known.map(str::to_owned));
                named
            }
        };
        let applied: BTreeSet<String> = applied(&own)
            .filter(|word| reached.contains(*word) && !is_common(word))
            .map(str::to_owned)
            .collect();
        if let Some(tokens) = tokens {
            decorated(tokens, &applied, &mut calls);
        }
        let types =
            |pair: &[&str]| (["struct", "enum"].contains(&pair[0])).then(|| pair[1].to_owned());
        let all: Vec<&str> = words(&own).collect();
        let local = all.windows(2).filter_map(types).collect();
        Names { roots, declared, reached, applied, calls, local, names_crate, program, text }
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
        let mut lines = self.pointed_at(error);
        if found.is_empty() && (lines.is_empty() || diagnostic::code(error) == Some("E0080")) {
            // It is about what the program calls, and points into the library or at the call alone.
            found.extend(words(self.text).filter(|word| self.knows(word)));
        }
        if found.is_empty() {
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
        let lines = self.pointed_at(error);
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

    /// The places in the program that the compiler points at, a macro's call for what it made.
    fn places<'d>(&self, error: &'d Diagnostic) -> impl Iterator<Item = &'d DiagnosticSpan> {
        let called = |span| expansions(span).last().map_or(span, |of| &of.span);
        spans(error).map(called).filter(|span| self.program.is_in(&span.file_name))
    }

    /// Their lines.
    pub(crate) fn pointed_at(&self, error: &Diagnostic) -> BTreeSet<usize> {
        let longest = 20;
        let lines =
            |span: &DiagnosticSpan| span.line_start..=span.line_end.min(span.line_start + longest);
        self.places(error).flat_map(lines).collect()
    }

    /// Where an error is shown: where it is, if that is in the program, or else what led there.
    pub(crate) fn place<'d>(&self, error: &'d Diagnostic) -> Option<&'d DiagnosticSpan> {
        let own = |span: &&DiagnosticSpan| self.program.is_in(&span.file_name);
        diagnostic::primary(error).filter(own).or_else(|| self.places(error).next())
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

/// Each type that one of `applied` stands on, with its lines: what is wrong there, what was made of
/// it is.
fn decorated(
    tokens: TokenStream,
    applied: &BTreeSet<String>,
    calls: &mut Vec<(String, RangeInclusive<usize>)>,
) {
    let (mut on, mut is_type, mut hash) = (Vec::new(), false, None);
    for token in tokens {
        let line = token.span().end().line;
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => hash = Some(line),
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Bracket && hash.is_some() =>
            {
                let text = group.to_string();
                let names = words(&text).filter(|word| applied.contains(*word));
                on.extend(names.map(|name| (name.to_owned(), hash.unwrap_or(line))));
                hash = None;
            }
            TokenTree::Ident(ident) => {
                is_type |= ["struct", "enum", "union"].iter().any(|keyword| ident == keyword);
            }
            TokenTree::Group(group) if !is_type => {
                decorated(group.stream(), applied, calls);
                if group.delimiter() == Delimiter::Brace {
                    on.clear();
                }
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                calls.extend(on.drain(..).map(|(name, first)| (name, first..=line)));
                is_type = false;
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => {
                let of_type = is_type.then(|| on.drain(..));
                calls.extend(
                    of_type.into_iter().flatten().map(|(name, first)| (name, first..=line)),
                );
                on.clear();
                is_type = false;
            }
            _ => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attribute_stands_on_is_given_to_it() {
        let text = "\
            #[derive(Build)]\n\
            struct A {\n\
            \x20   x: u8,\n\
            }\n\
            #[other]\n\
            struct B;\n\
            #[build] enum C { D }\n\
            #[build] fn f() { struct E; }\n\
            #[build] struct F(u8);\n";
        let applied = ["Build", "build"].map(str::to_owned).into();
        let mut calls = Vec::new();
        decorated(text.parse().unwrap(), &applied, &mut calls);
        let given: Vec<_> =
            calls.iter().map(|(name, lines)| (name.as_str(), lines.clone())).collect();
        assert_eq!(given, [("Build", 1..=4), ("build", 7..=7), ("build", 9..=9)]);
    }
}
