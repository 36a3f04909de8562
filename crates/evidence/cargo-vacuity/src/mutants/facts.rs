//! What a file says of its types, so that mutants change something; and questions to syntax.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, FnArg, Item, Path, Type, Visibility};

#[derive(Default)]
pub(super) struct Facts {
    /// The types, and whether they are `pub`.
    pub(super) public: BTreeMap<String, bool>,
    traits: BTreeSet<(String, String)>,
}

impl Facts {
    /// Whether a type has a trait. What anyone can write down counts as `Default`.
    pub(super) fn has(&self, ty: &str, of: &str) -> bool {
        self.traits.contains(&(ty.into(), of.into()))
    }
}

impl<'ast> Visit<'ast> for Facts {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attrs, vis, ident, open) = match item {
            Item::Struct(i) => {
                let open = i.fields.iter().all(|field| is_public(&field.vis));
                let sealed = i.attrs.iter().any(|attr| is(attr, &["non_exhaustive"]));
                (&i.attrs, &i.vis, &i.ident, open && !sealed)
            }
            Item::Enum(i) => (&i.attrs, &i.vis, &i.ident, !i.variants.is_empty()),
            Item::Impl(i) if !of_tests(&i.attrs) => {
                let of = i.trait_.as_ref().map(|(of, _)| last(of));
                return self.traits.extend(of.map(|of| (type_name(&i.self_ty), of)));
            }
            Item::Mod(i) if !of_tests(&i.attrs) => return visit::visit_item_mod(self, i),
            _ => return,
        };
        self.public.insert(ident.to_string(), is_public(vis));
        // A derive under a condition is taken to be there.
        let derives = attrs.iter().filter(|attr| is(attr, &["derive", "cfg_attr"]));
        let traits = derives.flat_map(|attr| words(&attr.meta));
        let traits = traits.chain(open.then(|| "Default".into()));
        self.traits.extend(traits.map(|of| (ident.to_string(), of)));
    }
}

pub(super) fn range(syntax: &impl Spanned) -> Range<usize> {
    syntax.span().byte_range()
}

/// The text of `syntax` on one line, as names want it.
pub(super) fn line_of(syntax: &impl Spanned) -> String {
    let text = syntax.span().source_text().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The identifiers and lifetimes in `syntax`.
pub(super) fn words(syntax: &impl ToTokens) -> BTreeSet<String> {
    let end = |c: char| c.is_whitespace() || "()[]{}<>,:;&*=+!".contains(c);
    syntax.to_token_stream().to_string().split(end).map(str::to_owned).collect()
}

/// The name of an argument.
pub(super) fn argument(argument: &FnArg) -> String {
    let text = line_of(argument);
    let pattern = text.split(':').next().unwrap_or(&text);
    pattern.rsplit([' ', '&']).next().unwrap_or(pattern).into()
}

/// The name at the end of a path.
pub(crate) fn last(path: &Path) -> String {
    path.segments.last().map_or(String::new(), |segment| segment.ident.to_string())
}

/// The name of a type without its path and arguments, or the type if it has no name.
pub(super) fn type_name(ty: &Type) -> String {
    if let Type::Path(ty) = ty { last(&ty.path) } else { line_of(ty) }
}

pub(super) fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

pub(super) fn is(attr: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attr.path().is_ident(name))
}

pub(super) fn of_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let words = words(&attr.meta);
        let has = |word: &str| words.contains(word);
        is(attr, &["cfg", "test"]) && has("test") && !has("not") && !has("any")
    })
}
