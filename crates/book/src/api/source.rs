//! The public items of a crate, found as a reader finds them: from `lib.rs` along its `pub use`
//! and `pub mod`. A name that leads nowhere is an error, so that nothing is left out unseen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::Visibility;

use super::sentence;
use crate::part::{PartError, read};
use crate::workspace;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Struct,
    Enum,
    Trait,
    Alias,
    Function,
    Constant,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] =
        [Kind::Trait, Kind::Struct, Kind::Enum, Kind::Alias, Kind::Function, Kind::Constant];

    pub(super) fn plural(self) -> &'static str {
        match self {
            Kind::Struct => "structs",
            Kind::Enum => "enums",
            Kind::Trait => "traits",
            Kind::Alias => "other names",
            Kind::Function => "functions",
            Kind::Constant => "constants",
        }
    }
}

/// A public item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its path below the crate.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// The first sentence of its documentation.
    pub(super) says: String,
    /// Where it stands.
    pub(super) file: PathBuf,
    /// The crate it is from, if that is another one.
    pub(super) from: Option<String>,
    /// The feature without which it is not there.
    pub(super) feature: Option<String>,
    /// The public methods of a type, or those of a trait.
    pub(super) methods: Vec<(String, String)>,
}

/// The source of a crate.
pub(super) struct Crate {
    name: String,
    attributes: Vec<syn::Attribute>,
    root: Module,
    /// The methods of each type of the crate.
    methods: BTreeMap<String, Vec<(String, String)>>,
}

/// A module, and those in it.
struct Module {
    file: PathBuf,
    items: Vec<syn::Item>,
    modules: BTreeMap<String, Module>,
}

/// Where an item is used, and what that adds to it.
struct Place<'a> {
    module: &'a Module,
    /// The path of the module, with its colons.
    prefix: String,
    feature: Option<String>,
}

impl Crate {
    /// The crate of `crates/` with this name.
    pub(super) fn read(name: &str) -> Result<Self, PartError> {
        let folder = workspace().join("crates").join(name).join("src");
        let file = folder.join("lib.rs");
        let syn::File { attrs: attributes, items, .. } = parsed(&file)?;
        let root = Module::read(file, &folder, items)?;
        let mut methods = BTreeMap::new();
        root.methods(&mut methods);
        Ok(Crate { name: name.to_owned(), attributes, root, methods })
    }

    /// The first sentence of the crate's own documentation.
    pub(super) fn purpose(&self) -> String {
        sentence::first(&self.attributes)
    }

    /// Everything that another crate can name.
    pub(super) fn public(&self) -> Result<Vec<Item>, PartError> {
        let mut found = Vec::new();
        let place = Place { module: &self.root, prefix: String::new(), feature: None };
        self.public_of(&place, &mut found)?;
        Ok(found)
    }

    fn public_of(&self, place: &Place<'_>, found: &mut Vec<Item>) -> Result<(), PartError> {
        for item in &place.module.items {
            match item {
                syn::Item::Use(item) if is_public(&item.vis) => {
                    let feature = feature(&item.attrs).or(place.feature.clone());
                    let place = Place { prefix: place.prefix.clone(), feature, ..*place };
                    for path in paths(&item.tree, Vec::new(), &place.module.file)? {
                        self.used(&place, &path, found)?;
                    }
                }
                syn::Item::Mod(item) if is_public(&item.vis) => {
                    let name = item.ident.to_string();
                    let prefix = format!("{}{name}::", place.prefix);
                    let feature = feature(&item.attrs).or(place.feature.clone());
                    let module = &place.module.modules[&name];
                    self.public_of(&Place { module, prefix, feature }, found)?;
                }
                item => {
                    if described(item).is_some_and(|(.., visibility)| is_public(visibility)) {
                        found.extend(self.item(place, place.module, item));
                    }
                }
            }
        }
        Ok(())
    }

    /// What a `pub use` of this path adds.
    fn used(
        &self,
        place: &Place<'_>,
        path: &[String],
        found: &mut Vec<Item>,
    ) -> Result<(), PartError> {
        let nothing = || PartError::Source {
            file: place.module.file.clone(),
            what: format!("pub use {}: nothing is found there", path.join("::")),
        };
        let (first, rest) = path.split_first().ok_or_else(nothing)?;
        let mut module = match first.as_str() {
            "crate" => &self.root,
            "self" => place.module,
            name => match place.module.modules.get(name) {
                Some(module) => module,
                // Another crate of the workspace.
                None => {
                    let Some(name) = rest.last() else {
                        return Ok(());
                    };
                    let other = Crate::read(first)?;
                    let items = other.public()?;
                    let item = items.into_iter().find(|item| item.path == *name);
                    let item = item.ok_or_else(nothing)?;
                    let from = Some(item.from.unwrap_or(other.name));
                    found.push(Item { path: format!("{}{name}", place.prefix), from, ..item });
                    return Ok(());
                }
            },
        };
        let (name, modules) = rest.split_last().ok_or_else(nothing)?;
        for name in modules {
            module = module.modules.get(name).ok_or_else(nothing)?;
        }
        let names = |item: &&syn::Item| described(item).is_some_and(|(_, is, ..)| *is == name);
        if let Some(item) = module.items.iter().find(names) {
            found.extend(self.item(place, module, item));
            return Ok(());
        }
        // What the module itself has from elsewhere.
        let mut there = Vec::new();
        self.public_of(&Place { module, prefix: String::new(), feature: None }, &mut there)?;
        let item = there.into_iter().find(|item| item.path == *name).ok_or_else(nothing)?;
        found.push(Item { path: format!("{}{name}", place.prefix), ..item });
        Ok(())
    }

    /// An item of `module`, as it is named in a place.
    fn item(&self, place: &Place<'_>, module: &Module, item: &syn::Item) -> Option<Item> {
        let (kind, name, attributes, _) = described(item)?;
        let methods = match item {
            syn::Item::Trait(item) => methods_of_trait(item),
            _ => self.methods.get(&name.to_string()).cloned().unwrap_or_default(),
        };
        Some(Item {
            path: format!("{}{name}", place.prefix),
            kind,
            says: sentence::first(attributes),
            file: module.file.clone(),
            from: None,
            feature: feature(attributes).or(place.feature.clone()),
            methods,
        })
    }
}

impl Module {
    /// The module in `file`, whose own modules are in `folder`.
    fn read(file: PathBuf, folder: &Path, mut items: Vec<syn::Item>) -> Result<Self, PartError> {
        let mut modules = BTreeMap::new();
        for item in &mut items {
            let syn::Item::Mod(item) = item else { continue };
            let name = item.ident.to_string();
            let below = folder.join(&name);
            let module = match item.content.take() {
                Some((_, items)) => Module::read(file.clone(), &below, items)?,
                None => {
                    let beside = below.with_extension("rs");
                    let file = if beside.is_file() { beside } else { below.join("mod.rs") };
                    let items = parsed(&file)?.items;
                    Module::read(file, &below, items)?
                }
            };
            modules.insert(name, module);
        }
        Ok(Module { file, items, modules })
    }

    /// The public methods of the types, here and below.
    fn methods(&self, found: &mut BTreeMap<String, Vec<(String, String)>>) {
        for item in &self.items {
            let syn::Item::Impl(syn::ItemImpl { trait_: None, self_ty, items, .. }) = item else {
                continue;
            };
            let syn::Type::Path(of) = &**self_ty else { continue };
            let Some(of) = of.path.segments.last() else { continue };
            let methods = items.iter().filter_map(|item| match item {
                syn::ImplItem::Fn(method) if is_public(&method.vis) => {
                    Some(named(&method.sig, &method.attrs))
                }
                _ => None,
            });
            found.entry(of.ident.to_string()).or_default().extend(methods);
        }
        self.modules.values().for_each(|module| module.methods(found));
    }
}

/// An item that can be named: what it is, its name, its attributes and its visibility.
fn described(item: &syn::Item) -> Option<(Kind, &syn::Ident, &[syn::Attribute], &Visibility)> {
    Some(match item {
        syn::Item::Struct(item) => (Kind::Struct, &item.ident, &item.attrs, &item.vis),
        syn::Item::Enum(item) => (Kind::Enum, &item.ident, &item.attrs, &item.vis),
        syn::Item::Trait(item) => (Kind::Trait, &item.ident, &item.attrs, &item.vis),
        syn::Item::Type(item) => (Kind::Alias, &item.ident, &item.attrs, &item.vis),
        syn::Item::Fn(item) => (Kind::Function, &item.sig.ident, &item.attrs, &item.vis),
        syn::Item::Const(item) => (Kind::Constant, &item.ident, &item.attrs, &item.vis),
        syn::Item::Static(item) => (Kind::Constant, &item.ident, &item.attrs, &item.vis),
        _ => return None,
    })
}

fn methods_of_trait(item: &syn::ItemTrait) -> Vec<(String, String)> {
    let methods = item.items.iter().filter_map(|item| match item {
        syn::TraitItem::Fn(method) => Some(named(&method.sig, &method.attrs)),
        _ => None,
    });
    methods.collect()
}

/// A method's name, and what is said of it.
fn named(signature: &syn::Signature, attributes: &[syn::Attribute]) -> (String, String) {
    let says = sentence::first(attributes);
    let says = if matches!(signature.safety, syn::Safety::Unsafe(_)) {
        format!("Unsafe. {says}")
    } else {
        says
    };
    (signature.ident.to_string(), says)
}

/// The paths that a `use` names.
fn paths(
    tree: &syn::UseTree,
    before: Vec<String>,
    file: &Path,
) -> Result<Vec<Vec<String>>, PartError> {
    let and = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect();
    match tree {
        syn::UseTree::Path(path) => paths(&path.tree, and(&path.ident), file),
        syn::UseTree::Name(name) => Ok(vec![and(&name.ident)]),
        syn::UseTree::Group(group) => {
            let all = group.items.iter().map(|tree| paths(tree, before.clone(), file));
            Ok(all.collect::<Result<Vec<_>, _>>()?.concat())
        }
        syn::UseTree::Rename(_) | syn::UseTree::Glob(_) => Err(PartError::Source {
            file: file.to_owned(),
            what: "pub use with another name, or of all there is: write what is used".to_owned(),
        }),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The feature of `#[cfg(feature = "…")]`.
fn feature(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).find_map(|attribute| {
        let condition: syn::MetaNameValue = attribute.parse_args().ok()?;
        match condition.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. })
                if condition.path.is_ident("feature") =>
            {
                Some(name.value())
            }
            _ => None,
        }
    })
}

fn parsed(file: &Path) -> Result<syn::File, PartError> {
    syn::parse_file(&read(file)?).map_err(|error| PartError::Source {
        file: file.to_owned(),
        what: format!("line {}: {error}", error.span().start().line),
    })
}
