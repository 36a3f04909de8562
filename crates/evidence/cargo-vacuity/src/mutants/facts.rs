//! What one file says of its types, so that a mutant which changes nothing is not made.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ImplItem, Item, Meta, ReturnType, Stmt, Token, Type, Visibility};

#[derive(Default)]
pub(super) struct Facts {
    pub(super) public: BTreeSet<String>,
    private: BTreeSet<String>,
    /// Types and the traits that are derived or implemented for them.
    traits: BTreeSet<(String, String)>,
    pub(super) derived: BTreeSet<(String, String)>,
    /// Types that anyone makes out of nothing.
    pub(super) open: BTreeSet<String>,
    /// What `pub use` names.
    pub(super) exported: BTreeSet<String>,
}

impl Facts {
    pub(super) fn of(items: &[Item]) -> Self {
        let mut facts = Facts::default();
        facts.read(items);
        facts
    }

    pub(super) fn has(&self, name: &str, of: &str) -> bool {
        self.traits.contains(&(name.into(), of.into()))
    }

    /// Whether a type, as far as this file says, can be seen from outside.
    pub(super) fn seen(&self, name: &str) -> bool {
        self.public.contains(name) || !self.private.contains(name)
    }

    fn read(&mut self, items: &[Item]) {
        for item in items {
            if let Some(items) = inner(item) {
                for item in items {
                    self.read(std::slice::from_ref(item));
                }
            }
            match item {
                Item::Struct(i) => self.declare(&i.ident, &i.vis, &i.attrs),
                Item::Enum(i) => self.declare(&i.ident, &i.vis, &i.attrs),
                Item::Union(i) => self.declare(&i.ident, &i.vis, &i.attrs),
                Item::Impl(i) => {
                    let Some(name) = type_name(&i.self_ty) else { continue };
                    match &i.trait_ {
                        Some((path, _)) => {
                            self.traits.extend(last(path).map(|of| (name, of)));
                        }
                        None if i.items.iter().any(|item| makes(item, &name)) => {
                            self.open.insert(name);
                        }
                        None => {}
                    }
                }
                Item::Use(i) if matches!(i.vis, Visibility::Public(_)) => {
                    idents(quote::ToTokens::to_token_stream(&i.tree), &mut self.exported);
                }
                _ => {}
            }
        }
    }

    fn declare(&mut self, ident: &syn::Ident, vis: &Visibility, attrs: &[Attribute]) {
        let name = ident.to_string();
        for attr in attrs {
            let Meta::List(list) = &attr.meta else { continue };
            // A derive under a condition is taken to be there.
            if list.path.is_ident("derive") || list.path.is_ident("cfg_attr") {
                let mut traits = BTreeSet::new();
                idents(list.tokens.clone(), &mut traits);
                self.derived.extend(traits.into_iter().map(|of| (name.clone(), of)));
            }
        }
        self.traits.extend(self.derived.iter().filter(|(of, _)| *of == name).cloned());
        let public = matches!(vis, Visibility::Public(_));
        if public { &mut self.public } else { &mut self.private }.insert(name);
    }
}

/// The items of a module or of a block `const _: () = { … }`, unless it is of tests.
pub(super) fn inner(item: &Item) -> Option<Vec<&Item>> {
    match item {
        Item::Mod(i) if !of_tests(&i.attrs) && i.ident != "tests" => {
            i.content.as_ref().map(|(_, items)| items.iter().collect())
        }
        Item::Const(i) if !of_tests(&i.attrs) => match &*i.expr {
            Expr::Block(block) => {
                let items = block.block.stmts.iter().filter_map(|stmt| match stmt {
                    Stmt::Item(item) => Some(item),
                    _ => None,
                });
                Some(items.collect())
            }
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn of_tests(attrs: &[Attribute]) -> bool {
    fn needs_test(meta: &Meta) -> bool {
        let nested = |list: &syn::MetaList| {
            list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .unwrap_or_default()
        };
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("any") => nested(list).iter().all(needs_test),
            Meta::List(list) if list.path.is_ident("all") || list.path.is_ident("cfg") => {
                nested(list).iter().any(needs_test)
            }
            _ => false,
        }
    }
    attrs.iter().any(|attr| needs_test(&attr.meta))
}

/// Whether a method is a public constructor without arguments.
fn makes(item: &ImplItem, name: &str) -> bool {
    let ImplItem::Fn(method) = item else { return false };
    let (sig, ReturnType::Type(_, output)) = (&method.sig, &method.sig.output) else {
        return false;
    };
    let output = type_name(output);
    matches!(method.vis, Visibility::Public(_))
        && matches!(sig.safety, syn::Safety::Default)
        && sig.inputs.is_empty()
        && output.is_some_and(|output| output == "Self" || output == name)
}

pub(super) fn last(path: &syn::Path) -> Option<String> {
    path.segments.last().map(|segment| segment.ident.to_string())
}

pub(super) fn type_name(ty: &Type) -> Option<String> {
    if let Type::Path(ty) = ty { last(&ty.path) } else { None }
}

/// Adds all identifiers of `tokens`.
pub(super) fn idents(tokens: TokenStream, to: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => drop(to.insert(ident.to_string())),
            TokenTree::Group(group) => idents(group.stream(), to),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
