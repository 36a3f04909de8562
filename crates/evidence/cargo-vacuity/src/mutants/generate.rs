//! The walk over the declarations of one file.

use std::collections::BTreeMap;
use std::path::Path;

use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprLit, Field, Fields, GenericArgument, Generics, ImplItem, Item, ItemImpl,
    ItemTrait, Lit, PathArguments, TraitItem, Type, Visibility,
};

use super::facts::{Facts, idents, inner, last, of_tests, type_name};
use super::source::Source;
use super::traits::Declared;
use super::{Change, Mutant, Operator, Probe};

/// Returns the mutants of one source file, in the order of their places.
///
/// `file` is the path that the names carry. What macros make is not seen.
///
/// # Errors
///
/// If `text` is no Rust.
pub fn generate(file: &Path, text: &str) -> Result<Vec<Mutant>, syn::Error> {
    let (src, syntax) = Source::parse(text)?;
    let mut generator =
        Generator { src: &src, file, facts: Facts::of(&syntax.items), out: Vec::new() };
    // What is declared in the root of a crate can be named by others if it is `pub`.
    let root = file.file_name().is_some_and(|name| name == "lib.rs");
    generator.items(&syntax.items.iter().collect::<Vec<_>>(), "", root);

    let mut mutants = generator.out;
    mutants.sort_by_key(|mutant| mutant.changes.first().map(|change| change.range.start));
    let mut seen = BTreeMap::new();
    for mutant in &mut mutants {
        let times = seen.entry(mutant.name()).or_insert(0);
        *times += 1;
        if *times > 1 {
            mutant.detail = format!("{} #{times}", mutant.detail).trim_start().into();
        }
    }
    Ok(mutants)
}

/// Returns the probes of the `send` and `sync` mutants of one source file, in ascending order.
///
/// # Errors
///
/// If `text` is no Rust.
pub fn probes(file: &Path, text: &str) -> Result<Vec<Probe>, syn::Error> {
    let probe = |mutant: Mutant| {
        let at = mutant.changes.first()?.range.start;
        Some(Probe { mutant: mutant.name(), at, text: mutant.probe? })
    };
    Ok(generate(file, text)?.into_iter().filter_map(probe).collect())
}

pub(super) struct Generator<'a> {
    pub(super) src: &'a Source<'a>,
    file: &'a Path,
    pub(super) facts: Facts,
    pub(super) out: Vec<Mutant>,
}

impl Generator<'_> {
    pub(super) fn push(
        &mut self,
        operator: Operator,
        item: &str,
        detail: &str,
        mut changes: Vec<Change>,
        says: String,
    ) {
        changes.sort_by_key(|change| change.range.start);
        let Some(first) = changes.first() else { return };
        let before = self.src.at(0..first.range.start);
        self.out.push(Mutant {
            operator,
            item: item.into(),
            detail: detail.into(),
            file: self.file.into(),
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            changes,
            says,
            probe: None,
        });
    }

    /// `reached`: others can name what is `pub` here, as far as this file says.
    fn items(&mut self, items: &[&Item], path: &str, reached: bool) {
        for item in items {
            self.item(item, path, reached);
        }
    }

    fn item(&mut self, item: &Item, path: &str, reached: bool) {
        let named = |ident: &dyn std::fmt::Display| format!("{path}{ident}");
        match item {
            Item::Mod(i) if !of_tests(&i.attrs) => {
                let name = named(&i.ident);
                let within = inner(item);
                if i.ident != "tests" && !within.as_ref().is_some_and(|w| self.all_exported(w)) {
                    let start = self.src.start(&i.mod_token);
                    self.public(&i.vis, start, &name, &format!("module `{name}` is public"));
                }
                let reached = reached && is_public(&i.vis);
                self.items(&within.unwrap_or_default(), &format!("{name}::"), reached);
            }
            Item::Const(i) => {
                let path = named(&"const _::");
                self.items(&inner(item).unwrap_or_default(), &path, reached && i.ident == "_");
            }
            Item::Use(i) if !of_tests(&i.attrs) && reached => {
                let name = named(&self.src.line_of(&i.tree));
                if ["crate", "self", "super"].iter().any(|root| name.starts_with(root)) {
                    let start = self.src.start(&i.use_token);
                    self.public(&i.vis, start, &name, &format!("`{name}` is exported"));
                }
            }
            Item::Struct(i) if !of_tests(&i.attrs) => {
                let name = named(&i.ident);
                if reached {
                    let start = self.src.start(&i.struct_token);
                    self.public(&i.vis, start, &name, &format!("`{name}` is public"));
                }
                self.fields(&name, &i.fields, &i.generics, is_public(&i.vis));
                if is_public(&i.vis) {
                    let open = !i.attrs.iter().any(is_non_exhaustive)
                        && i.fields.iter().all(|field| is_public(&field.vis));
                    self.declared(
                        &name,
                        Declared {
                            ident: &i.ident,
                            attrs: &i.attrs,
                            generics: &i.generics,
                            fields: vec![&i.fields],
                            open,
                            end: self.src.end(i),
                        },
                    );
                }
            }
            Item::Enum(i) if !of_tests(&i.attrs) => {
                let name = named(&i.ident);
                if reached {
                    let start = self.src.start(&i.enum_token);
                    self.public(&i.vis, start, &name, &format!("`{name}` is public"));
                }
                for variant in &i.variants {
                    let name = format!("{name}::{}", variant.ident);
                    self.fields(&name, &variant.fields, &i.generics, false);
                    if is_public(&i.vis) {
                        self.attributes(&name, &variant.attrs);
                    }
                }
                if is_public(&i.vis) {
                    let open = i.variants.iter().any(|v| !v.attrs.iter().any(is_non_exhaustive));
                    self.declared(
                        &name,
                        Declared {
                            ident: &i.ident,
                            attrs: &i.attrs,
                            generics: &i.generics,
                            fields: i.variants.iter().map(|variant| &variant.fields).collect(),
                            open,
                            end: self.src.end(i),
                        },
                    );
                }
            }
            Item::Trait(i) if !of_tests(&i.attrs) => self.trait_(i, &named(&i.ident), reached),
            Item::Impl(i) if !of_tests(&i.attrs) => self.implementation_of(i, path),
            Item::Fn(i) if !of_tests(&i.attrs) => {
                let name = named(&i.sig.ident);
                if reached {
                    let start = self.src.start(&i.sig);
                    self.public(&i.vis, start, &name, &format!("`{name}` is public"));
                }
                if is_public(&i.vis) {
                    self.attributes(&name, &i.attrs);
                    self.signature(&name, &i.sig, &i.block, None);
                }
            }
            _ => {}
        }
    }

    fn declared(&mut self, name: &str, declared: Declared<'_>) {
        self.attributes(name, declared.attrs);
        self.bounds(name, declared.generics);
        self.traits(name, &declared);
    }

    fn trait_(&mut self, i: &ItemTrait, name: &str, reached: bool) {
        if !is_public(&i.vis) {
            if reached {
                let first = i.unsafety.as_ref().map(|token| self.src.start(token));
                let start = first.unwrap_or_else(|| self.src.start(&i.trait_token));
                self.public(&i.vis, start, name, &format!("`{name}` is public"));
            }
            return;
        }
        self.attributes(name, &i.attrs);
        self.bounds(name, &i.generics);
        self.super_bounds(name, &i.colon_token, &i.supertraits);
        for item in &i.items {
            match item {
                TraitItem::Type(ty) if !of_tests(&ty.attrs) => {
                    let name = format!("{name}::{}", ty.ident);
                    self.super_bounds(&name, &ty.colon_token, &ty.bounds);
                }
                TraitItem::Fn(method) if !of_tests(&method.attrs) => {
                    self.attributes(&format!("{name}::{}", method.sig.ident), &method.attrs);
                }
                _ => {}
            }
        }
    }

    fn implementation_of(&mut self, i: &ItemImpl, path: &str) {
        let known = type_name(&i.self_ty);
        let ty = known.clone().unwrap_or_else(|| self.src.line_of(&i.self_ty));
        if !self.facts.seen(&ty) {
            return;
        }
        if let Some((of, _)) = &i.trait_ {
            let of = last(of).unwrap_or_default();
            // A destructor has the bounds of its type; who can be printed is no guarantee.
            if !["Drop", "Debug", "Display"].contains(&&*of) {
                self.bounds(&format!("{path}impl {of} for {ty}"), &i.generics);
            }
            return;
        }
        self.bounds(&format!("{path}impl {ty}"), &i.generics);
        for item in &i.items {
            let (attrs, vis, start, ident) = match item {
                ImplItem::Fn(f) => (&f.attrs, &f.vis, self.src.start(&f.sig), &f.sig.ident),
                ImplItem::Const(c) => (&c.attrs, &c.vis, self.src.start(&c.const_token), &c.ident),
                _ => continue,
            };
            if of_tests(attrs) {
                continue;
            }
            let name = format!("{path}{ty}::{ident}");
            if self.facts.public.contains(&ty) {
                self.public(vis, start, &name, &format!("`{name}` is public"));
            }
            if let (ImplItem::Fn(method), true) = (item, is_public(vis)) {
                self.attributes(&name, attrs);
                self.signature(&name, &method.sig, &method.block, Some(&i.self_ty));
            }
        }
    }

    fn public(&mut self, vis: &Visibility, start: usize, item: &str, says: &str) {
        let change = match vis {
            Visibility::Public(_) => return,
            Visibility::Inherited => self.src.insert(start, "pub "),
            Visibility::Restricted(vis) => self.src.replace(self.src.range(vis), "pub"),
        };
        self.push(Operator::Public, item, "", vec![change], says.into());
    }

    /// Whether `pub use` names all that is public in a module: then its name gives nothing.
    fn all_exported(&self, items: &[&Item]) -> bool {
        items.iter().all(|item| {
            let (vis, ident) = match item {
                Item::Struct(i) => (&i.vis, &i.ident),
                Item::Enum(i) => (&i.vis, &i.ident),
                Item::Trait(i) => (&i.vis, &i.ident),
                Item::Fn(i) => (&i.vis, &i.sig.ident),
                Item::Impl(_) | Item::Use(syn::ItemUse { vis: Visibility::Inherited, .. }) => {
                    return true;
                }
                Item::Macro(mac) => {
                    return mac.ident.is_some() || mac.mac.path.is_ident("thread_local");
                }
                _ => return false,
            };
            !is_public(vis) || self.facts.exported.contains(&ident.to_string())
        })
    }

    fn attributes(&mut self, item: &str, attrs: &[Attribute]) {
        for attr in attrs {
            let (operator, says) = if attr.path().is_ident("must_use") {
                (Operator::MustUse, format!("`{item}` may be ignored"))
            } else if is_non_exhaustive(attr) {
                (Operator::Exhaustive, format!("`{item}` may be named with all its parts"))
            } else {
                continue;
            };
            let change = self.src.replace(self.src.range(attr), "");
            self.push(operator, item, "", vec![change], says);
        }
    }

    fn fields(&mut self, of: &str, fields: &Fields, generics: &Generics, public: bool) {
        let private = fields.iter().filter(|field| !is_public(&field.vis)).count();
        for (index, field) in fields.iter().enumerate() {
            if of_tests(&field.attrs) {
                continue;
            }
            let name = field.ident.as_ref().map_or(index.to_string(), ToString::to_string);
            let name = format!("{of}.{name}");
            let marker = type_name(&field.ty).is_some_and(|name| name == "PhantomData");
            // There is nothing in a marker; it matters if it is all that keeps others from
            // writing a value.
            if public && !(marker && private > 1) {
                let start = field.ident.as_ref().map(|ident| self.src.start(ident));
                let start = start.unwrap_or_else(|| self.src.start(&field.ty));
                self.public(&field.vis, start, &name, &format!("field `{name}` is public"));
            }
            self.marker(&name, field, generics);
        }
    }

    fn marker(&mut self, item: &str, field: &Field, generics: &Generics) {
        let Some(marked) = marked(&field.ty) else { return };
        let mut used = std::collections::BTreeSet::new();
        idents(marked.to_token_stream(), &mut used);
        let of_lifetimes = generics
            .lifetimes()
            .map(|param| &param.lifetime)
            .filter(|lifetime| used.contains(&lifetime.ident.to_string()));
        let mut carried: Vec<_> = of_lifetimes.map(|lifetime| format!("&{lifetime} ()")).collect();
        let of_types = generics.type_params().map(|param| &param.ident);
        let of_types = of_types.filter(|ident| used.contains(&ident.to_string()));
        carried.extend(of_types.map(|ident| format!("*const {ident}")));
        let replace = match &*carried {
            [] => "fn() -> ()".into(),
            [one] => format!("fn() -> {one}"),
            all => format!("fn() -> ({})", all.join(", ")),
        };
        let says = format!("the marker `{item}` has no effect on variance, `Send` and `Sync`");
        let change = self.src.replace(self.src.range(marked), replace);
        self.push(Operator::Marker, item, "", vec![change], says);
    }
}

/// The type that a field without contents stands for, if it has an effect: the parameter of
/// `PhantomData`, or the element of an empty array.
fn marked(ty: &Type) -> Option<&Type> {
    let unit = |ty: &Type| matches!(ty, Type::Tuple(ty) if ty.elems.is_empty());
    let marked = match ty {
        Type::Path(path) => {
            let segment = path.path.segments.last().filter(|s| s.ident == "PhantomData")?;
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
            let GenericArgument::Type(ty) = arguments.args.first()? else { return None };
            ty
        }
        Type::Array(array) => {
            let Expr::Lit(ExprLit { lit: Lit::Int(len), .. }) = &array.len else { return None };
            if len.base10_digits() != "0" {
                return None;
            }
            &*array.elem
        }
        _ => return None,
    };
    let plain = match marked {
        Type::Reference(ty) => unit(&ty.elem),
        Type::FnPtr(ty) if ty.inputs.is_empty() => match &ty.output {
            syn::ReturnType::Default => true,
            syn::ReturnType::Type(_, ty) => match &**ty {
                Type::Path(ty) => ty.path.get_ident().is_some(),
                Type::Reference(ty) => ty.mutability.is_none() || unit(&ty.elem),
                ty => unit(ty),
            },
        },
        ty => unit(ty),
    };
    (!plain).then_some(marked)
}

pub(super) fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

fn is_non_exhaustive(attr: &Attribute) -> bool {
    attr.path().is_ident("non_exhaustive")
}
