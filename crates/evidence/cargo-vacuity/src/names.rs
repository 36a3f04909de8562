//! Whether an error is about the crate under test.

use std::collections::BTreeSet;

use cargo_metadata::diagnostic::Diagnostic;
use proc_macro2::{TokenStream, TokenTree};

use cargo_vacuity::diagnostic;

use crate::rules::said;

/// Names that the standard library has as well: they show nothing.
const COMMON: [&str; 46] = [
    "new",
    "main",
    "drop",
    "clone",
    "default",
    "from",
    "into",
    "get",
    "get_mut",
    "len",
    "push",
    "pop",
    "iter",
    "iter_mut",
    "next",
    "fmt",
    "eq",
    "ne",
    "cmp",
    "partial_cmp",
    "hash",
    "deref",
    "deref_mut",
    "as_ref",
    "as_mut",
    "borrow",
    "borrow_mut",
    "Error",
    "Result",
    "Option",
    "String",
    "Vec",
    "Output",
    "Item",
    "Target",
    "index",
    "map",
    "unwrap",
    "insert",
    "remove",
    "add",
    "sub",
    "mul",
    "f",
    "x",
    "T",
];

/// The names of the crate under test, as one program can use them.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    declared: &'a BTreeSet<String>,
    /// What the program reaches through the crate's name.
    reached: BTreeSet<String>,
    /// The crate's attributes, derives and macros that it applies.
    applied: BTreeSet<String>,
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
        roots: &BTreeSet<String>,
        declared: &'a BTreeSet<String>,
    ) -> Self {
        let mut reached = BTreeSet::new();
        let mut named = false;
        // rustdoc adds the crate to programs that do not name it.
        let own: String = text
            .lines()
            .filter(|line| !line.starts_with("extern crate r#"))
            .flat_map(|line| [line, "\n"])
            .collect();
        match own.parse::<TokenStream>() {
            Ok(tokens) => walk(tokens, roots, &mut reached, &mut named),
            Err(_) => {
                // Not even brackets match: words have to do.
                named = words(&own).any(|word| roots.contains(word));
                if named {
                    reached
                        .extend(words(&own).filter(|w| declared.contains(*w)).map(str::to_owned));
                }
            }
        }
        let applied = applied(&own)
            .filter(|word| reached.contains(*word) && !COMMON.contains(word))
            .map(str::to_owned)
            .collect();
        let types =
            |pair: &[&str]| (["struct", "enum"].contains(&pair[0])).then(|| pair[1].to_owned());
        let all: Vec<&str> = words(&own).collect();
        let local = all.windows(2).filter_map(types).collect();
        Names { declared, reached, applied, local, names_crate: named, text }
    }

    /// The names of the crate that an error is about: in what the compiler says, or else on the
    /// lines that it points at, or where what stands there comes from.
    pub(crate) fn in_error(&self, error: &Diagnostic) -> Vec<String> {
        let mut found = BTreeSet::new();
        for text in said(error) {
            let quoted = text.split('`').skip(1).step_by(2);
            found.extend(quoted.flat_map(words).filter(|word| self.knows(word)));
        }
        for span in error.spans.iter().chain(error.children.iter().flat_map(|child| &child.spans)) {
            let mut expansion = span.expansion.as_deref();
            while let Some(of) = expansion {
                found.extend(words(&of.macro_decl_name).filter(|word| self.knows(word)));
                expansion = of.span.expansion.as_deref();
            }
        }
        if found.is_empty() {
            let mut lines: BTreeSet<usize> = pointed_at(error);
            let all: Vec<&str> = self.text.lines().collect();
            // Where the variables on these lines come from, and so on.
            loop {
                let used: BTreeSet<&str> = lines
                    .iter()
                    .filter_map(|line| all.get(line - 1))
                    .flat_map(|l| words(l))
                    .collect();
                let before = lines.len();
                for (index, line) in all.iter().enumerate() {
                    if bound(line).any(|name| used.contains(name)) {
                        lines.insert(index + 1);
                    }
                }
                if lines.len() == before {
                    break;
                }
            }
            let on_lines = lines.iter().filter_map(|line| all.get(line - 1));
            found.extend(on_lines.flat_map(|line| words(line)).filter(|word| self.knows(word)));
        }
        let evaluates = diagnostic::code(error) == Some("E0080");
        if found.is_empty() && evaluates {
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
        let lines: Vec<&str> = self.text.lines().collect();
        let here = pointed_at(error);
        let mut here = here.iter().filter_map(|line| lines.get(line - 1));
        let called = here.any(|line| {
            line.split('!').any(|before| {
                let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
                name.is_some_and(|name| self.knows(name))
            })
        });
        let mut expansion = diagnostic::primary(error).and_then(|span| span.expansion.as_deref());
        let mut made = false;
        while let Some(of) = expansion {
            made |= words(&of.macro_decl_name).any(|word| self.knows(word));
            expansion = of.span.expansion.as_deref();
        }
        let named = || {
            let quoted =
                said(error).into_iter().flat_map(|text| text.split('`').skip(1).step_by(2));
            let mut quoted = quoted.flat_map(words);
            quoted.any(|word| {
                self.local
                    .iter()
                    .any(|own| word.len() > own.len() && word.starts_with(own.as_str()))
            })
        };
        called || made || (!self.applied.is_empty() && named())
    }

    /// Whether the names that the message itself quotes are of the crate, or in it.
    pub(crate) fn in_message(&self, error: &Diagnostic, roots: &BTreeSet<String>) -> bool {
        let quoted = error.message.split('`').skip(1).step_by(2).flat_map(words);
        let mut quoted = quoted.peekable();
        quoted.peek().is_none() || quoted.any(|word| self.knows(word) || roots.contains(word))
    }

    fn knows(&self, word: &str) -> bool {
        !COMMON.contains(&word) && (self.declared.contains(word) || self.reached.contains(word))
    }
}

/// The lines of the program that the compiler points at, macros' own left out.
fn pointed_at(error: &Diagnostic) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    for span in error.spans.iter().chain(error.children.iter().flat_map(|child| &child.spans)) {
        let mut span = span;
        while let Some(expansion) = &span.expansion {
            span = &expansion.span;
        }
        lines.extend(span.line_start..=span.line_end.min(span.line_start + 20));
    }
    lines
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
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

fn walk(
    tokens: TokenStream,
    roots: &BTreeSet<String>,
    reached: &mut BTreeSet<String>,
    named: &mut bool,
) {
    let mut inside = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                let ident = ident.trim_start_matches("r#");
                if inside {
                    reached.insert(ident.to_owned());
                } else if roots.contains(ident) {
                    inside = true;
                    *named = true;
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => {}
            TokenTree::Group(group) => {
                if inside {
                    all(group.stream(), reached);
                } else {
                    walk(group.stream(), roots, reached, named);
                }
                inside = false;
            }
            _ => inside = false,
        }
    }
}

/// The identifiers in a tree of imports, and their new names.
fn all(tokens: TokenStream, reached: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => drop(reached.insert(ident.to_string())),
            TokenTree::Group(group) => all(group.stream(), reached),
            _ => {}
        }
    }
}
