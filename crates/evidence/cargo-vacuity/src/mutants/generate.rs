//! The walk over the declarations of one file.

use std::collections::BTreeMap;
use std::path::Path;

use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprLit, Field, Fields, GenericArgument, Generics, ImplItem, Item, ItemImpl,
    ItemTrait, Lit, PathArguments, ReturnType, TraitItem, Type, Visibility,
};

use super::facts::{Facts, Named, idents, inner, is, is_public, last, of_tests, type_name};
use super::source::{Source, parse};
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
    let mut mutants = parse(text, |src, syntax| {
        let mut generator = Generator { src: &src, file, facts: Facts::default(), out: Vec::new() };
        syntax.items.iter().for_each(|item| generator.facts.read(item));
        // What is declared in the root of a crate can be named by others if it is `pub`.
        let root = file.file_name().is_some_and(|name| name == "lib.rs");
        syntax.items.iter().for_each(|item| generator.item(item, "", root));
        generator.out
    })?;
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
        let before = self.src.at(0..changes.first().map_or(0, |change| change.range.start));
        let line = 1 + before.matches('\n').count();
        let (item, detail, file) = (item.into(), detail.into(), self.file.into());
        self.out.push(Mutant { operator, item, detail, file, line, changes, says, probe: None });
    }

    /// `reached`: others can name what is `pub` here, as far as this file says.
    fn item(&mut self, item: &Item, path: &str, reached: bool) {
        if let Item::Impl(item) = item {
            return self.implementation(item, path);
        }
        let Some(named) = Named::of(item).filter(|named| !named.of_tests()) else { return };
        let Named { attrs, vis, ident, first } = named;
        let name = format!("{path}{ident}");
        let local = ["crate::", "self::", "super::"].iter().any(|root| ident.starts_with(root));
        if match item {
            Item::Mod(i) => !self.facts.exports(i),
            Item::Use(_) => reached && local,
            _ => reached,
        } {
            self.public(vis, self.src.start(&first), &name);
        }
        let path = format!("{name}::");
        for item in inner(item).into_iter().flatten() {
            self.item(item, &path, reached && is_public(vis));
        }
        if is_public(vis) {
            self.attributes(&name, attrs);
        }
        match item {
            Item::Struct(i) => {
                self.fields(&name, &i.fields, &i.generics, is_public(vis));
                let open = i.fields.iter().all(|field| is_public(&field.vis))
                    && !attrs.iter().any(|attr| is(attr, &["non_exhaustive"]));
                let end = self.src.end(i);
                self.declared(&name, vis, &Declared { attrs, generics: &i.generics, open, end });
            }
            Item::Enum(i) => {
                for variant in &i.variants {
                    let name = format!("{path}{}", variant.ident);
                    if is_public(vis) {
                        self.attributes(&name, &variant.attrs);
                    }
                    self.fields(&name, &variant.fields, &i.generics, false);
                }
                let sealed = |attrs: &[Attribute]| attrs.iter().any(|a| is(a, &["non_exhaustive"]));
                let open = i.variants.iter().any(|variant| !sealed(&variant.attrs));
                let end = self.src.end(i);
                self.declared(&name, vis, &Declared { attrs, generics: &i.generics, open, end });
            }
            Item::Trait(i) if is_public(vis) => self.trait_(i, &name),
            Item::Fn(i) if is_public(vis) => self.signature(&name, &i.sig, &i.block, None),
            _ => {}
        }
    }

    fn declared(&mut self, name: &str, vis: &Visibility, declared: &Declared<'_>) {
        if is_public(vis) {
            self.bounds(name, declared.generics);
            self.traits(name, declared);
        }
    }

    fn trait_(&mut self, i: &ItemTrait, name: &str) {
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

    fn implementation(&mut self, i: &ItemImpl, path: &str) {
        let ty = type_name(&i.self_ty).unwrap_or_else(|| self.src.line_of(&i.self_ty));
        if of_tests(&i.attrs) || !self.facts.seen(&ty) {
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
                self.public(vis, start, &name);
            }
            if let (ImplItem::Fn(method), true) = (item, is_public(vis)) {
                self.attributes(&name, attrs);
                self.signature(&name, &method.sig, &method.block, Some(&i.self_ty));
            }
        }
    }

    fn public(&mut self, vis: &Visibility, start: usize, item: &str) {
        let change = match vis {
            Visibility::Public(_) => return,
            Visibility::Inherited => self.src.insert(start, "pub "),
            Visibility::Restricted(vis) => self.src.replace(self.src.range(vis), "pub"),
        };
        self.push(Operator::Public, item, "", vec![change], format!("`{item}` is public"));
    }

    fn attributes(&mut self, item: &str, attrs: &[Attribute]) {
        for attr in attrs {
            let (operator, says) = if is(attr, &["must_use"]) {
                (Operator::MustUse, format!("the value of `{item}` may be ignored"))
            } else if is(attr, &["non_exhaustive"]) {
                (Operator::Exhaustive, format!("others may rely on what `{item}` consists of"))
            } else {
                continue;
            };
            let change = self.src.replace(self.src.range(attr), "");
            self.push(operator, item, "", vec![change], says);
        }
    }

    fn fields(&mut self, of: &str, fields: &Fields, generics: &Generics, public: bool) {
        let private = fields.iter().filter(|field| !is_public(&field.vis)).count();
        for (index, field) in fields.iter().enumerate().filter(|(_, f)| !of_tests(&f.attrs)) {
            let name = field.ident.as_ref().map_or(index.to_string(), ToString::to_string);
            let name = format!("{of}.{name}");
            // There is nothing in a marker; it matters if it is all that keeps others from
            // writing a value.
            let marker = type_name(&field.ty).is_some_and(|name| name == "PhantomData");
            if public && !(marker && private > 1) {
                let start = field.ident.as_ref().map(|ident| self.src.start(ident));
                let start = start.unwrap_or_else(|| self.src.start(&field.ty));
                self.public(&field.vis, start, &name);
            }
            self.marker(&name, field, generics);
        }
    }

    fn marker(&mut self, item: &str, field: &Field, generics: &Generics) {
        let Some(marked) = marked(&field.ty) else { return };
        let used = idents(marked.to_token_stream());
        let lifetimes = generics.lifetimes().map(|param| &param.lifetime.ident);
        let types = generics.type_params().map(|param| &param.ident);
        let carried = lifetimes.map(|ident| (ident, format!("&'{ident} ()")));
        let carried = carried.chain(types.map(|ident| (ident, format!("*const {ident}"))));
        let carried = carried.filter(|(ident, _)| used.contains(&ident.to_string()));
        let carried: Vec<_> = carried.map(|(_, text)| text).collect();
        let replace = format!("fn() -> ({})", carried.join(", "));
        let says = format!("`{item}` has no effect on variance, `Send` and `Sync`");
        let change = self.src.replace(self.src.range(marked), replace);
        self.push(Operator::Marker, item, "", vec![change], says);
    }
}

/// The type that a field without contents stands for, if it has an effect: the parameter of
/// `PhantomData`, or the element of an empty array.
fn marked(ty: &Type) -> Option<&Type> {
    let marked = match ty {
        Type::Path(path) => {
            let segment = path.path.segments.last().filter(|s| s.ident == "PhantomData")?;
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
            let GenericArgument::Type(ty) = arguments.args.first()? else { return None };
            ty
        }
        Type::Array(array) => match &array.len {
            Expr::Lit(ExprLit { lit: Lit::Int(len), .. }) if len.base10_digits() == "0" => {
                &*array.elem
            }
            _ => return None,
        },
        _ => return None,
    };
    let unit = |ty: &Type| matches!(ty, Type::Tuple(ty) if ty.elems.is_empty());
    let plain = match marked {
        Type::Reference(ty) => unit(&ty.elem),
        Type::FnPtr(ty) if ty.inputs.is_empty() => match &ty.output {
            ReturnType::Type(_, ty) => {
                type_name(ty).is_some_and(|_| idents(ty.to_token_stream()).len() == 1) || unit(ty)
            }
            ReturnType::Default => true,
        },
        ty => unit(ty),
    };
    (!plain).then_some(marked)
}
