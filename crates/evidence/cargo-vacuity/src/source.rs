//! What the sources of a package say: which names they declare, and where documentation holds
//! programs that must not compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use quote::ToTokens;
use syn::visit::{self, Visit};

/// A block of documentation whose info string says `compile_fail`.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The file, and the line of the opening fence.
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// The item that is documented, as `Type::method`.
    pub(crate) item: String,
    /// The conditions under which the item exists, as written.
    pub(crate) conditions: Vec<String>,
    /// The words of the info string.
    pub(crate) words: Vec<String>,
    /// What is written since the block before.
    pub(crate) before: String,
    pub(crate) body: String,
}

impl Block {
    /// The error codes that the info string states.
    pub(crate) fn stated(&self) -> Vec<String> {
        let is_code = |word: &&String| {
            word.strip_prefix('E')
                .is_some_and(|rest| rest.len() == 4 && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        self.words.iter().filter(is_code).cloned().collect()
    }

    /// The lines of the program, as the compiler sees them, to compare programs by.
    pub(crate) fn lines(&self) -> Vec<String> {
        let shown = |line: &str| {
            let line = line.trim();
            match line.strip_prefix('#') {
                Some("") => String::new(),
                Some(rest) if rest.starts_with(' ') => rest.trim().to_owned(),
                Some(rest) if rest.starts_with('#') => rest.to_owned(),
                _ => line.to_owned(),
            }
        };
        self.body.lines().map(shown).filter(|line| !line.is_empty()).collect()
    }
}

/// The Rust files below `folder`, build output and hidden folders left out.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            // A link may lead back to where it is.
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
        let text = fs::read_to_string(file).unwrap_or_default();
        if let Ok(tokens) = text.parse() {
            declared_in(tokens, &mut names);
        }
    }
    names
}

fn declared_in(tokens: TokenStream, names: &mut BTreeSet<String>) {
    const KEYWORDS: [&str; 10] =
        ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod", "macro_rules"];
    let mut after = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                if after && ident != "mut" && ident != "unsafe" && ident != "fn" {
                    names.insert(ident.trim_start_matches("r#").to_owned());
                }
                after = KEYWORDS.contains(&ident.as_str());
            }
            TokenTree::Punct(mark) if mark.as_char() == '!' => {}
            TokenTree::Group(group) => {
                declared_in(group.stream(), names);
                after = false;
            }
            _ => after = false,
        }
    }
}

/// The blocks of a target, whose root is `root`.
pub(crate) fn blocks(root: &Path) -> Vec<Block> {
    let mut walk = Walk { seen: BTreeSet::new(), blocks: Vec::new() };
    walk.file(root, root.parent().unwrap_or(Path::new("")), Vec::new(), Vec::new());
    walk.blocks
}

/// The files that a target with the root `root` consists of.
pub(crate) fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut walk = Walk { seen: BTreeSet::new(), blocks: Vec::new() };
    walk.file(root, root.parent().unwrap_or(Path::new("")), Vec::new(), Vec::new());
    walk.seen
}

struct Walk {
    seen: BTreeSet<PathBuf>,
    blocks: Vec<Block>,
}

impl Walk {
    /// A file, whose modules have their files in `folder`.
    fn file(&mut self, file: &Path, folder: &Path, path: Vec<String>, conditions: Vec<String>) {
        if !self.seen.insert(file.to_owned()) {
            return;
        }
        let Ok(text) = fs::read_to_string(file) else { return };
        let Ok(syntax) = syn::parse_file(&text) else { return };
        let mut items = Items { walk: self, file, folder: folder.to_owned(), path, conditions };
        items.attributes(&syntax.attrs);
        items.visit_file(&syntax);
    }
}

/// One file's items.
struct Items<'w> {
    walk: &'w mut Walk,
    file: &'w Path,
    folder: PathBuf,
    path: Vec<String>,
    conditions: Vec<String>,
}

impl Items<'_> {
    fn inside(&mut self, name: String, attrs: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let (path, conditions) = (self.path.len(), self.conditions.len());
        self.path.extend((!name.is_empty()).then_some(name));
        self.conditions.extend(conditions_of(attrs));
        self.attributes(attrs);
        visit(self);
        self.path.truncate(path);
        self.conditions.truncate(conditions);
    }

    /// The blocks in an item's documentation.
    fn attributes(&mut self, attrs: &[syn::Attribute]) {
        // Each line of the documentation with its file and line.
        let mut lines: Vec<(String, PathBuf, usize)> = Vec::new();
        for attribute in attrs {
            let syn::Meta::NameValue(pair) = &attribute.meta else { continue };
            if !pair.path.is_ident("doc") {
                continue;
            }
            let (text, file, first) = match &pair.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => {
                    (text.value(), self.file.to_owned(), text.span().start().line)
                }
                syn::Expr::Macro(call) if call.mac.path.is_ident("include_str") => {
                    let Ok(name) = call.mac.parse_body::<syn::LitStr>() else { continue };
                    let file = self.file.parent().unwrap_or(Path::new("")).join(name.value());
                    let Ok(text) = fs::read_to_string(&file) else { continue };
                    (text, file, 1)
                }
                _ => continue,
            };
            let starred = text.lines().skip(1).all(|line| {
                let line = line.trim_start();
                line.is_empty() || line.starts_with('*')
            });
            for (index, line) in text.lines().enumerate() {
                let line = match line.trim_start().strip_prefix('*') {
                    Some(rest) if starred && index > 0 => rest,
                    _ => line,
                };
                lines.push((line.to_owned(), file.clone(), first + index));
            }
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        let filled = lines.iter().filter(|(line, ..)| !line.trim().is_empty());
        let least = filled.map(|(line, ..)| indent(line)).min().unwrap_or_default();
        let mut text = String::new();
        for (line, ..) in &lines {
            text.push_str(line.get(least..).unwrap_or_default());
            text.push('\n');
        }
        for Fenced { at, words, before, body } in fenced(&text) {
            let number = text[..at].matches('\n').count();
            let Some((_, file, line)) = lines.get(number) else { continue };
            self.walk.blocks.push(Block {
                file: file.clone(),
                line: *line,
                item: self.path.join("::"),
                conditions: self.conditions.clone(),
                words,
                before,
                body,
            });
        }
    }

    fn module_file(&mut self, module: &syn::ItemMod) {
        let name = module.ident.to_string();
        let name = name.trim_start_matches("r#");
        let named = module.attrs.iter().find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        });
        let (file, folder) = match named {
            Some(named) => {
                let file = self.file.parent().unwrap_or(Path::new("")).join(named);
                let folder = file.parent().unwrap_or(Path::new("")).to_owned();
                (file, folder)
            }
            None => {
                let folder = self.folder.join(name);
                let file = self.folder.join(format!("{name}.rs"));
                (if file.is_file() { file } else { folder.join("mod.rs") }, folder)
            }
        };
        self.walk.file(&file, &folder, self.path.clone(), self.conditions.clone());
    }
}

/// The conditions in `#[cfg(…)]`.
fn conditions_of(attrs: &[syn::Attribute]) -> impl Iterator<Item = String> {
    let cfgs = attrs.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => Some(list.tokens.to_string()),
        _ => None,
    });
    cfgs.map(|text| {
        text.replace(" (", "(").replace(" ,", ",").replace("( ", "(").replace(" )", ")")
    })
}

/// A fence with `compile_fail` in a Markdown text.
struct Fenced {
    at: usize,
    words: Vec<String>,
    before: String,
    body: String,
}

fn fenced(text: &str) -> Vec<Fenced> {
    let mut found = Vec::new();
    let mut open: Option<Fenced> = None;
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
                open = (rejected && !ignored).then(|| Fenced {
                    at: range.start,
                    words,
                    before,
                    body: String::new(),
                });
            }
            Event::Text(part) => {
                if let Some(block) = &mut open {
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

impl<'ast> Visit<'ast> for Items<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.inside(module.ident.to_string(), &module.attrs, |items| match &module.content {
            Some(_) => {
                let folder = items.folder.join(module.ident.to_string());
                let outer = std::mem::replace(&mut items.folder, folder);
                visit::visit_item_mod(items, module);
                items.folder = outer;
            }
            None => items.module_file(module),
        });
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::Item;
        let (name, attrs) = match item {
            Item::Const(item) => (item.ident.to_string(), &item.attrs),
            Item::Enum(item) => (item.ident.to_string(), &item.attrs),
            Item::ExternCrate(item) => (String::new(), &item.attrs),
            Item::Fn(item) => (item.sig.ident.to_string(), &item.attrs),
            Item::Impl(item) => (type_name(&item.self_ty), &item.attrs),
            Item::Macro(item) => {
                (item.ident.as_ref().map(ToString::to_string).unwrap_or_default(), &item.attrs)
            }
            Item::Static(item) => (item.ident.to_string(), &item.attrs),
            Item::Struct(item) => (item.ident.to_string(), &item.attrs),
            Item::Trait(item) => (item.ident.to_string(), &item.attrs),
            Item::Type(item) => (item.ident.to_string(), &item.attrs),
            Item::Union(item) => (item.ident.to_string(), &item.attrs),
            Item::Use(item) => (String::new(), &item.attrs),
            _ => return visit::visit_item(self, item),
        };
        self.inside(name, attrs, |items| visit::visit_item(items, item));
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let (name, attrs) = match item {
            syn::ImplItem::Const(item) => (item.ident.to_string(), &item.attrs),
            syn::ImplItem::Fn(item) => (item.sig.ident.to_string(), &item.attrs),
            syn::ImplItem::Type(item) => (item.ident.to_string(), &item.attrs),
            _ => return,
        };
        self.inside(name, attrs, |items| visit::visit_impl_item(items, item));
    }

    fn visit_trait_item(&mut self, item: &'ast syn::TraitItem) {
        let (name, attrs) = match item {
            syn::TraitItem::Const(item) => (item.ident.to_string(), &item.attrs),
            syn::TraitItem::Fn(item) => (item.sig.ident.to_string(), &item.attrs),
            syn::TraitItem::Type(item) => (item.ident.to_string(), &item.attrs),
            _ => return,
        };
        self.inside(name, attrs, |items| visit::visit_trait_item(items, item));
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        self.inside(name, &field.attrs, |_| {});
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.inside(variant.ident.to_string(), &variant.attrs, |items| {
            visit::visit_variant(items, variant);
        });
    }
}

fn type_name(of: &syn::Type) -> String {
    match of {
        syn::Type::Path(path) => {
            path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
        }
        other => other.to_token_stream().to_string(),
    }
}
