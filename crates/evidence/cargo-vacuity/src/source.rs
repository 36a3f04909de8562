//! What the sources of a package say: which names they declare, and where documentation holds
//! programs that must not compile.
//!
//! Tokens are enough for both, and see into macros' arguments, where a syntax tree ends.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::mutants::last;

/// What declares the name after it.
const KEYWORDS: [&str; 10] =
    ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod", "macro_rules"];

/// A block of documentation whose info string says `compile_fail`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    /// The file, and the line of the opening fence.
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// The name of the item that is documented.
    pub(crate) item: String,
    /// The conditions under which the item exists, as written.
    pub(crate) conditions: Vec<String>,
    /// The words of the info string.
    pub(crate) words: Vec<String>,
    /// What is written since the block before.
    pub(crate) before: String,
    pub(crate) body: String,
    /// Whether it is in a macro's definition: what is collected may have another text.
    pub(crate) of_macro: bool,
}

impl Block {
    /// The error codes that the info string states.
    pub(crate) fn stated(&self) -> Vec<String> {
        self.words.iter().filter(|word| is_code(word)).cloned().collect()
    }

    /// Where the block is in the text of a program: how far lines of the program are from those of
    /// the file.
    pub(crate) fn offset_in(&self, program: &str) -> Option<isize> {
        let numbered = |text: &str, shown: fn(&str) -> &str| -> Vec<(usize, String)> {
            let lines = text.lines().map(shown).map(str::to_owned).enumerate();
            lines.filter(|(_, line)| !line.is_empty()).collect()
        };
        let (program, body) = (numbered(program, str::trim), numbered(&self.body, shown));
        let first = body.first()?.0;
        // rustdoc leaves out a comment at the end.
        let is = |line: &str, of: &str| {
            of.strip_prefix(line)
                .is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with("//"))
        };
        let same = |part: &[(usize, String)]| part.iter().zip(&body).all(|(a, b)| is(&a.1, &b.1));
        let found = program.windows(body.len()).find(|part| same(part))?.first()?.0;
        Some((self.line + 1 + first) as isize - (found + 1) as isize)
    }
}

fn is_code(word: &str) -> bool {
    let digits = word.strip_prefix('E').unwrap_or_default();
    digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// The error codes in the annotations of a file, as `//~ E0502` and `//~^ ERROR: E0502`.
pub(crate) fn marked(text: &str) -> Vec<String> {
    let marks = text.lines().filter_map(|line| line.split_once("//~"));
    let words = marks.flat_map(|(_, mark)| mark.split(|c: char| !c.is_alphanumeric()));
    words.filter(|word| is_code(word)).map(str::to_owned).collect()
}

/// A line as the compiler sees it: `# ` hides one from readers.
fn shown(line: &str) -> &str {
    let line = line.trim();
    match line.strip_prefix('#') {
        Some(hidden) if hidden.is_empty() || hidden.starts_with(' ') => hidden.trim(),
        Some(escaped) if escaped.starts_with('#') => escaped,
        _ => line,
    }
}

/// The Rust files below `folder`, build output, hidden folders and links left out.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|is| is == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The identifiers that the Rust files below `folder` declare.
pub(crate) fn declared(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in rust_files(folder) {
        if let Ok(tokens) = fs::read_to_string(file).unwrap_or_default().parse() {
            declared_in(tokens, &mut names);
        }
    }
    names
}

fn declared_in(tokens: TokenStream, names: &mut BTreeSet<String>) {
    let (mut after, mut derive) = (false, false);
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                if after && !["mut", "unsafe", "fn"].contains(&ident.as_str()) {
                    names.insert(ident.trim_start_matches("r#").to_owned());
                }
                after = KEYWORDS.contains(&ident.as_str());
                derive = ident == "proc_macro_derive";
            }
            TokenTree::Punct(mark) if mark.as_char() == '!' => {}
            TokenTree::Group(group) => {
                declared_in(group.stream(), names);
                // `proc_macro_derive(Name, attributes(…))`
                let name = derive.then(|| group.stream().into_iter().next()).flatten();
                names.extend(name.map(|name| name.to_string()));
                (after, derive) = (false, false);
            }
            _ => after = false,
        }
    }
}

/// Reads the files of a target, whose root is `root`.
pub(crate) fn walk(root: &Path) -> Walk {
    let mut walk = Walk::default();
    walk.file(root, root.parent().unwrap_or(Path::new("")), &[]);
    walk
}

/// What the files of a target hold.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) blocks: Vec<Block>,
    /// Lines of files that exist only under conditions.
    conditional: Vec<(PathBuf, RangeInclusive<usize>, Vec<String>)>,
}

/// What stands before an item.
#[derive(Default)]
struct Before {
    /// Each line of documentation, with its file and line.
    lines: Vec<(String, PathBuf, usize)>,
    conditions: Vec<String>,
    path: Option<String>,
}

impl Walk {
    /// The conditions under which a line exists.
    pub(crate) fn conditions(&self, file: &Path, line: usize) -> Vec<String> {
        let here =
            self.conditional.iter().filter(|(of, lines, _)| of == file && lines.contains(&line));
        here.flat_map(|(.., conditions)| conditions.iter().cloned()).collect()
    }

    /// A file, whose modules have their files in `folder`.
    fn file(&mut self, file: &Path, folder: &Path, conditions: &[String]) {
        if !self.files.insert(file.to_owned()) {
            return;
        }
        self.conditional.push((file.to_owned(), 1..=usize::MAX, conditions.to_vec()));
        let text = fs::read_to_string(file).unwrap_or_default();
        if let Ok(tokens) = text.parse() {
            self.items(tokens, file, folder, conditions);
        }
    }

    /// A sequence of items: attributes, then a keyword and a name, then a body or a semicolon.
    fn items(&mut self, tokens: TokenStream, file: &Path, folder: &Path, outer: &[String]) {
        let (mut before, mut own) = (Before::default(), Before::default());
        let mut name = String::new();
        let (mut keyword, mut hash, mut inner) = (String::new(), false, false);
        let mut begin = None;
        for token in tokens {
            let span = token.span();
            let first = *begin.get_or_insert(span.start().line);
            // A comma ends a field or a variant; one in generics ends nothing.
            let ends = match &token {
                TokenTree::Punct(mark) => {
                    mark.as_char() == ';' || (mark.as_char() == ',' && keyword.is_empty())
                }
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                _ => false,
            };
            if ends {
                let lines = first..=span.end().line;
                self.conditional.push((file.to_owned(), lines, before.conditions.clone()));
            }
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => (hash, inner) = (true, false),
                TokenTree::Punct(mark) if mark.as_char() == '!' => inner = hash,
                TokenTree::Group(group) if hash && group.delimiter() == Delimiter::Bracket => {
                    hash = false;
                    let of = if inner { &mut own } else { &mut before };
                    of.attribute(group.stream(), file);
                }
                TokenTree::Ident(ident) => {
                    let ident = ident.to_string();
                    if KEYWORDS.contains(&ident.as_str()) || ident == "impl" {
                        keyword = ident;
                    } else if !keyword.is_empty() && name.is_empty() {
                        name = ident.trim_start_matches("r#").to_owned();
                    }
                }
                TokenTree::Group(group) => {
                    let below =
                        if keyword == "mod" { folder.join(&name) } else { folder.to_owned() };
                    let conditions = [outer, &own.conditions, &before.conditions].concat();
                    let blocks = self.blocks.len();
                    self.items(group.stream(), file, &below, &conditions);
                    for block in &mut self.blocks[blocks..] {
                        block.of_macro |= keyword == "macro_rules";
                    }
                }
                TokenTree::Punct(_) if ends && keyword == "mod" => {
                    let (file, below) = module(file, folder, &name, before.path.as_deref());
                    let conditions = [outer, &own.conditions, &before.conditions].concat();
                    self.file(&file, &below, &conditions);
                }
                _ => {}
            }
            if ends {
                begin = None;
                self.documentation(std::mem::take(&mut before), &name, outer);
                (name, keyword) = Default::default();
            }
        }
        self.documentation(before, &name, outer);
        self.documentation(own, "", outer);
    }

    /// The blocks in an item's documentation.
    fn documentation(&mut self, before: Before, item: &str, outer: &[String]) {
        let Before { lines, conditions, .. } = before;
        let indent = |line: &str| line.len() - line.trim_start().len();
        let filled = lines.iter().filter(|(line, ..)| !line.trim().is_empty());
        let least = filled.map(|(line, ..)| indent(line)).min().unwrap_or_default();
        let text: String = lines
            .iter()
            .flat_map(|(line, ..)| [line.get(least..).unwrap_or_default(), "\n"])
            .collect();
        for (at, block) in fenced(&text) {
            let number = text[..at].matches('\n').count();
            let Some((_, file, line)) = lines.get(number) else { continue };
            self.blocks.push(Block {
                file: file.clone(),
                line: *line,
                item: item.to_owned(),
                conditions: [outer, &conditions].concat(),
                ..block
            });
        }
    }
}

impl Before {
    /// Reads `doc = …`, `cfg(…)`, `path = …`, and those of them that stand in a `cfg_attr(…)`.
    fn attribute(&mut self, tokens: TokenStream, file: &Path) {
        match syn::parse2(tokens) {
            Ok(syn::Meta::List(list)) if list.path.is_ident("cfg") => {
                self.conditions.push(tight(&list.tokens));
            }
            Ok(syn::Meta::List(list)) if list.path.is_ident("cfg_attr") => {
                let mut parts = vec![TokenStream::new()];
                for token in list.tokens {
                    match (token, parts.last_mut()) {
                        (TokenTree::Punct(mark), _) if mark.as_char() == ',' => {
                            parts.push(TokenStream::new());
                        }
                        (token, Some(part)) => part.extend([token]),
                        _ => {}
                    }
                }
                // The other one of two: the documentation has one of them.
                let other =
                    self.conditions.iter().any(|one| tight(&parts[0]) == format!("not({one})"));
                if other {
                    return;
                }
                let before = self.lines.len();
                for part in parts.drain(1..) {
                    self.attribute(part, file);
                }
                if self.lines.len() > before && !parts[0].is_empty() {
                    self.conditions.push(tight(&parts[0]));
                }
            }
            Ok(syn::Meta::NameValue(pair)) => self.named(&pair, file),
            _ => {}
        }
    }

    fn named(&mut self, pair: &syn::MetaNameValue, file: &Path) {
        let (text, file, first) = match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => {
                (text.value(), file.to_owned(), text.span().start().line)
            }
            syn::Expr::Macro(call) if last(&call.mac.path) == "include_str" => {
                let Ok(name) = call.mac.parse_body::<syn::LitStr>() else { return };
                let file = file.with_file_name(name.value());
                (fs::read_to_string(&file).unwrap_or_default(), file, 1)
            }
            _ => return,
        };
        if pair.path.is_ident("path") {
            self.path = Some(text);
        } else if pair.path.is_ident("doc") {
            // The stars of `/** … */` are no text.
            let starred = text.lines().skip(1).all(|line| {
                let line = line.trim_start();
                line.is_empty() || line.starts_with('*')
            });
            // `lines` has none for an empty comment, which ends a paragraph.
            for (index, line) in text.trim_end_matches('\n').split('\n').enumerate() {
                let star = line.trim_start().strip_prefix('*').filter(|_| starred && index > 0);
                self.lines.push((star.unwrap_or(line).to_owned(), file.clone(), first + index));
            }
        }
    }
}

/// Tokens with fewer spaces.
fn tight(tokens: &TokenStream) -> String {
    let places = [(" (", "("), (" ,", ","), ("( ", "("), (" )", ")")];
    places.iter().fold(tokens.to_string(), |text, (from, to)| text.replace(from, to))
}

/// The file of a module, and the folder of its own modules.
fn module(file: &Path, folder: &Path, name: &str, path: Option<&str>) -> (PathBuf, PathBuf) {
    if let Some(path) = path {
        let file = file.with_file_name(path);
        let below = file.parent().unwrap_or(Path::new("")).to_owned();
        return (file, below);
    }
    let below = folder.join(name);
    let beside = folder.join(format!("{name}.rs"));
    (if beside.is_file() { beside } else { below.join("mod.rs") }, below)
}

/// The blocks with `compile_fail` in a Markdown text, and where their fences stand.
fn fenced(text: &str) -> Vec<(usize, Block)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    let mut end = 0;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let words: Vec<String> = info
                    .split(|c: char| c == ',' || c == '{' || c == '}' || c.is_whitespace())
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned)
                    .collect();
                let rejected = words.iter().any(|word| word == "compile_fail");
                let ignored = words.iter().any(|word| word.starts_with("ignore"));
                let before = text.get(end..range.start).unwrap_or_default().to_owned();
                let block = Block { words, before, ..Block::default() };
                open = (rejected && !ignored).then_some((range.start, block));
            }
            Event::Text(part) => {
                if let Some((_, block)) = &mut open {
                    block.body.push_str(&part);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                found.extend(open.take());
                end = range.end;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_in_its_program_without_the_comment_at_the_end() {
        let body = "# use a::B;\nlet b = B; // one\n// two\ndrop(b); // three\n".to_owned();
        let block = Block { line: 10, body, ..Block::default() };
        let program = "fn main() {\nuse a::B;\nlet b = B; // one\n// two\ndrop(b);\n}";
        assert_eq!(block.offset_in(program), Some(9));
        assert_eq!(block.offset_in("fn main() {\nuse a::B;\nlet b = B;\ndrop(b, b);\n}"), None);
    }

    #[test]
    fn derives_are_declared_by_their_names() {
        let text = "#[proc_macro_derive(Build, attributes(build))] pub fn derive() {}";
        let mut names = BTreeSet::new();
        declared_in(text.parse().unwrap(), &mut names);
        assert_eq!(names, ["Build", "derive"].map(str::to_owned).into());
    }
}
