//! What one file says of its items, so that a mutant which changes nothing is not made.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ImplItem, Item, ItemMod, Meta, ReturnType, Safety, Stmt, Type, Visibility,
};

#[derive(Default)]
pub(super) struct Facts {
    pub(super) public: BTreeSet<String>,
    private: BTreeSet<String>,
    /// Types and the traits that are implemented for them.
    traits: BTreeSet<(String, String)>,
    derived: BTreeSet<(String, String)>,
    /// Types that anyone makes out of nothing.
    pub(super) open: BTreeSet<String>,
    /// What `pub use` names.
    exported: BTreeSet<String>,
}

impl Facts {
    pub(super) fn has(&self, name: &str, of: &str) -> bool {
        self.traits.contains(&(name.into(), of.into())) || self.derives(name, of)
    }

    pub(super) fn derives(&self, name: &str, of: &str) -> bool {
        self.derived.contains(&(name.into(), of.into()))
    }

    /// Whether a type, as far as this file says, can be seen from outside.
    pub(super) fn seen(&self, name: &str) -> bool {
        self.public.contains(name) || !self.private.contains(name)
    }

    /// Whether `pub use` names all that is public in a module: then its name gives nothing.
    pub(super) fn exports(&self, module: &ItemMod) -> bool {
        let all = format!("{}::*", module.ident);
        let inner = module.content.as_ref().is_some_and(|(_, items)| {
            let mut named = items.iter().filter_map(Named::of);
            named.all(|item| !is_public(item.vis) || self.exported.contains(&item.ident))
        });
        inner || self.exported.iter().any(|tree| tree.trim_start_matches("self::") == all)
    }

    pub(super) fn read(&mut self, item: &Item) {
        if Named::of(item).is_some_and(|item| item.of_tests()) {
            return;
        }
        inner(item).into_iter().flatten().for_each(|item| self.read(item));
        match item {
            Item::Struct(_) | Item::Enum(_) => {
                let Some(Named { attrs, vis, ident, .. }) = Named::of(item) else { return };
                for attr in attrs {
                    // A derive under a condition is taken to be there.
                    if let (true, Meta::List(list)) =
                        (is(attr, &["derive", "cfg_attr"]), &attr.meta)
                    {
                        let traits = idents(list.tokens.clone()).into_iter();
                        self.derived.extend(traits.map(|of| (ident.clone(), of)));
                    }
                }
                if is_public(vis) { &mut self.public } else { &mut self.private }.insert(ident);
            }
            Item::Impl(i) if !of_tests(&i.attrs) => {
                let Some(name) = type_name(&i.self_ty) else { return };
                match &i.trait_ {
                    Some((path, _)) => self.traits.extend(last(path).map(|of| (name, of))),
                    None if i.items.iter().any(|item| makes(item, &name)) => {
                        self.open.insert(name);
                    }
                    None => {}
                }
            }
            Item::Use(i) if is_public(&i.vis) => {
                self.exported.extend(idents(i.tree.to_token_stream()));
                self.exported.insert(path_of(&i.tree));
            }
            _ => {}
        }
    }
}

/// What items that have a name have in common.
pub(super) struct Named<'a> {
    pub(super) attrs: &'a [Attribute],
    pub(super) vis: &'a Visibility,
    pub(super) ident: String,
    /// The token before which a `pub` goes.
    pub(super) first: Span,
}

impl<'a> Named<'a> {
    pub(super) fn of(item: &'a Item) -> Option<Self> {
        let (attrs, vis, ident, first): (_, _, &dyn ToTokens, _) = match item {
            Item::Const(i) => (&i.attrs, &i.vis, &i.ident, i.const_token.span),
            Item::Enum(i) => (&i.attrs, &i.vis, &i.ident, i.enum_token.span),
            Item::Fn(i) => (&i.attrs, &i.vis, &i.sig.ident, i.sig.span()),
            Item::Mod(i) => (&i.attrs, &i.vis, &i.ident, i.mod_token.span),
            Item::Struct(i) => (&i.attrs, &i.vis, &i.ident, i.struct_token.span),
            Item::Trait(i) => {
                let first = i.unsafety.map_or(i.trait_token.span, |token| token.span);
                (&i.attrs, &i.vis, &i.ident, first)
            }
            Item::Use(i) => (&i.attrs, &i.vis, &i.tree, i.use_token.span),
            _ => return None,
        };
        Some(Named { attrs, vis, ident: path_of(ident), first })
    }

    pub(super) fn of_tests(&self) -> bool {
        of_tests(self.attrs) || self.ident == "tests"
    }
}

fn path_of(tokens: &dyn ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(" :: ", "::")
}

/// The items of a module or of a block `const _: () = { … }`.
pub(super) fn inner(item: &Item) -> Option<Vec<&Item>> {
    match item {
        Item::Mod(i) => i.content.as_ref().map(|(_, items)| items.iter().collect()),
        Item::Const(i) => {
            let Expr::Block(block) = &*i.expr else { return None };
            let items = block.block.stmts.iter().filter_map(|stmt| match stmt {
                Stmt::Item(item) => Some(item),
                _ => None,
            });
            Some(items.collect())
        }
        _ => None,
    }
}

pub(super) fn of_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let words = idents(attr.meta.to_token_stream());
        is(attr, &["test"])
            || is(attr, &["cfg"])
                && words.contains("test")
                && !words.contains("not")
                && !words.contains("any")
    })
}

/// Whether a method is a public constructor without arguments.
fn makes(item: &ImplItem, name: &str) -> bool {
    let ImplItem::Fn(method) = item else { return false };
    let ReturnType::Type(_, output) = &method.sig.output else { return false };
    is_public(&method.vis)
        && matches!(method.sig.safety, Safety::Default)
        && method.sig.inputs.is_empty()
        && type_name(output).is_some_and(|output| output == "Self" || output == name)
}

pub(super) fn is(attr: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attr.path().is_ident(name))
}

pub(super) fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

pub(super) fn last(path: &syn::Path) -> Option<String> {
    path.segments.last().map(|segment| segment.ident.to_string())
}

pub(super) fn type_name(ty: &Type) -> Option<String> {
    if let Type::Path(ty) = ty { last(&ty.path) } else { None }
}

pub(super) fn idents(tokens: TokenStream) -> BTreeSet<String> {
    let words = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Ident(ident) => BTreeSet::from([ident.to_string()]),
        TokenTree::Group(group) => idents(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => BTreeSet::new(),
    });
    words.collect()
}
