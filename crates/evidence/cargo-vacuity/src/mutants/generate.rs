//! The walk over the declarations of one file, and the operators on an item by itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::visit::Visit;
use syn::{
    Attribute, Data, DeriveInput, GenericArgument, Generics, Ident, ImplItem, Item, ItemImpl,
    PathArguments, Type, Visibility, parse_quote, parse2,
};

use super::facts::{Facts, is, is_public, last, line_of, of_tests, range, type_name, words};
use super::{Change, Mutant, Operator, Probe};

/// Returns the mutants of one source file, in the order of their places.
///
/// `file` is the path that the names carry. What macros make is not seen.
///
/// # Errors
///
/// If `text` is no Rust.
pub(crate) fn generate(file: &Path, text: &str) -> Result<Vec<Mutant>, syn::Error> {
    // The parser recurses: what is nested too deeply for it, few compilers take.
    let syntax = syn::parse_file(text).map_err(|error| {
        let line = error.span().start().line;
        syn::Error::new(error.span(), format!("line {line}: {error}"))
    })?;
    // A byte order mark and a `#!` line do not count in its places.
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let stripped = mark + syntax.shebang.as_ref().map_or(0, String::len);
    let (facts, out, seen) = Default::default();
    let mut generator = Generator { text, stripped, file, facts, out, seen };
    generator.facts.visit_file(&syntax);
    // What is declared in the root of a crate can be named by others if it is `pub`.
    let root = file.file_name().is_some_and(|name| name == "lib.rs");
    syntax.items.iter().for_each(|item| generator.item(item, "", root));
    generator.out.sort_by_key(|mutant| mutant.changes.first().map(|change| change.range.start));
    Ok(generator.out)
}

/// Returns the probes of the `send` and `sync` mutants of one source file, in ascending order.
///
/// # Errors
///
/// If `text` is no Rust.
pub(crate) fn probes(file: &Path, text: &str) -> Result<Vec<Probe>, syn::Error> {
    let probe = |mutant: Mutant| {
        let place = mutant.changes.first()?.clone();
        Some(Probe { mutant: mutant.name(), change: Change { replace: mutant.probe?, ..place } })
    };
    Ok(generate(file, text)?.into_iter().filter_map(probe).collect())
}

/// What goes, and what takes its place.
pub(super) type Edit = (Range<usize>, String);

pub(super) struct Generator<'a> {
    text: &'a str,
    stripped: usize,
    file: &'a Path,
    pub(super) facts: Facts,
    pub(super) out: Vec<Mutant>,
    /// The names, and how often each was given.
    seen: BTreeMap<String, usize>,
}

impl Generator<'_> {
    pub(super) fn push(&mut self, operator: Operator, item: &str, detail: &str, edits: Vec<Edit>) {
        let change = |(Range { start, end }, replace)| {
            let range = start + self.stripped..end + self.stripped;
            let was = self.text.get(range.clone()).unwrap_or_default().into();
            Change { range, was, replace }
        };
        let mut changes: Vec<_> = edits.into_iter().map(change).collect();
        changes.sort_by_key(|change| change.range.start);
        let before = changes.first().and_then(|change| self.text.get(..change.range.start));
        let line = 1 + before.unwrap_or_default().matches('\n').count();
        let Operator(operator, says) = operator;
        let says = says.replace("{detail}", detail).replace("{item}", item);
        let (item, detail, file) = (item.into(), detail.into(), self.file.into());
        let mut mutant = Mutant { operator, item, detail, file, line, changes, says, probe: None };
        let times = self.seen.entry(mutant.name()).or_insert(0);
        *times += 1;
        if *times > 1 {
            mutant.detail = format!("{} #{times}", mutant.detail).trim_start().into();
        }
        self.out.push(mutant);
    }

    /// `reached`: others can name what is `pub` here, as far as this file says.
    fn item(&mut self, item: &Item, path: &str, reached: bool) {
        let matters = match item {
            Item::Impl(i) => return self.implementation(i, path),
            Item::Mod(i) if i.ident == "tests" => return,
            Item::Mod(_) => true,
            Item::Enum(_) | Item::Fn(_) | Item::Struct(_) | Item::Trait(_) => reached,
            _ => return,
        };
        let Some((name, public)) = self.head(path, item, matters) else { return };
        match item {
            Item::Mod(i) => {
                for item in i.content.iter().flat_map(|(_, items)| items) {
                    self.item(item, &format!("{name}::"), reached && public);
                }
            }
            Item::Struct(i) => self.type_(&name, &DeriveInput::from(i.clone()), public),
            Item::Enum(i) => self.type_(&name, &DeriveInput::from(i.clone()), public),
            Item::Trait(i) if public => self.bounds(&name, |all| all.visit_item_trait(i)),
            Item::Fn(i) if public => self.callee(&name, &i.sig, &i.block, None),
            _ => {}
        }
    }

    fn implementation(&mut self, i: &ItemImpl, path: &str) {
        let ty = type_name(&i.self_ty);
        let public = self.facts.public.get(&ty).copied();
        if of_tests(&i.attrs) || public == Some(false) {
            return;
        }
        if let Some((of, _)) = &i.trait_ {
            // Other code may need the bounds.
            if i.items.is_empty() {
                let name = format!("{path}impl {} for {ty}", last(of));
                self.bounds(&name, |all| all.visit_generics(&i.generics));
            }
            return;
        }
        for item in &i.items {
            let matters = public.is_some() && matches!(item, ImplItem::Fn(_) | ImplItem::Const(_));
            let head = self.head(&format!("{path}{ty}::"), item, matters);
            if let (Some((name, true)), ImplItem::Fn(method)) = (head, item) {
                self.callee(&name, &method.sig, &method.block, Some(&i.self_ty));
            }
        }
    }

    fn type_(&mut self, name: &str, i: &DeriveInput, public: bool) {
        if let Data::Struct(data) = &i.data {
            let private = data.fields.iter().filter(|field| !is_public(&field.vis)).count();
            for (index, field) in data.fields.iter().enumerate() {
                let index = if field.ident.is_none() { &*index.to_string() } else { "" };
                let marked = marked(&field.ty);
                // A marker matters if nothing else keeps others from writing a value.
                let matters = public && (marked.is_none() || private < 2);
                let head = self.head(&format!("{name}.{index}"), field, matters);
                let edit = marked.and_then(|marked| without_effect(marked, &i.generics));
                if let (Some((name, _)), Some(edit)) = (head, edit) {
                    self.push(Operator::MARKER, &name, "", vec![edit]);
                }
            }
        }
        if public {
            self.bounds(name, |all| all.visit_generics(&i.generics));
            self.traits(name, i);
        }
    }

    /// The visibility, if it matters, and the attributes of a declaration. Completes `path` by
    /// its name, and returns whether it is `pub`; nothing, if it is of tests.
    fn head(&mut self, path: &str, of: &impl ToTokens, matters: bool) -> Option<(String, bool)> {
        let parser = |input: ParseStream<'_>| {
            let head = (Attribute::parse_outer(input)?, input.parse()?, input.span());
            // A name is the first identifier that is no keyword.
            let mut rest = input.parse::<TokenStream>()?.into_iter();
            Ok((head, rest.find_map(|token| parse2::<Ident>(token.into()).ok())))
        };
        let ((attrs, vis, first), ident) = parser.parse2(of.to_token_stream()).ok()?;
        let ident = ident.filter(|_| path.is_empty() || path.ends_with([':', '.']));
        let name = format!("{path}{}", ident.map_or(String::new(), |ident| ident.to_string()));
        if of_tests(&attrs) {
            return None;
        }
        let pub_ = match &vis {
            Visibility::Public(_) => None,
            Visibility::Inherited => Some((range(&first).start..range(&first).start, "pub ")),
            Visibility::Restricted(vis) => Some((range(vis), "pub")),
        };
        if let (Some((place, text)), true) = (pub_, matters) {
            self.push(Operator::PUBLIC, &name, "", vec![(place, text.into())]);
        }
        let kinds = [("must_use", Operator::MUST_USE), ("non_exhaustive", Operator::EXHAUSTIVE)];
        for attr in attrs.iter().filter(|_| is_public(&vis)) {
            for (_, operator) in kinds.iter().filter(|(name, _)| is(attr, &[name])) {
                self.push(*operator, &name, "", vec![(range(attr), String::new())]);
            }
        }
        Some((name, is_public(&vis)))
    }
}

/// The type that a field without contents stands for, in `PhantomData` or in an empty array.
fn marked(ty: &Type) -> Option<&Type> {
    let path = match ty {
        Type::Array(ty) => return (ty.len == parse_quote!(0)).then_some(&ty.elem),
        Type::Path(ty) => &ty.path,
        _ => return None,
    };
    let last = path.segments.last().filter(|last| last.ident == "PhantomData")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let GenericArgument::Type(ty) = arguments.args.first()? else { return None };
    Some(ty)
}

/// Makes a type covariant, `Send` and `Sync`, if it is not.
fn without_effect(marked: &Type, generics: &Generics) -> Option<Edit> {
    let (text, used) = (line_of(marked), words(marked));
    let plain = text.starts_with("fn()") || text.ends_with("()") && !text.contains('*');
    let lifetimes = generics.lifetimes().map(|p| (p.lifetime.to_string(), "&", " (),"));
    let types = generics.type_params().map(|p| (p.ident.to_string(), "*const ", ","));
    let carried = lifetimes.chain(types).filter(|(name, ..)| used.contains(name));
    let carried: String = carried.map(|(name, a, b)| format!("{a}{name}{b}")).collect();
    (!plain).then(|| (range(marked), format!("fn() -> ({carried})")))
}
