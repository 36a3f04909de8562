//! Traits that a type has no business to have.

use syn::{Attribute, Fields, GenericParam, Generics, Ident, Type, TypeParamBound};

use super::Operator;
use super::facts::type_name;
use super::generate::Generator;

/// A type that others can see.
pub(super) struct Declared<'a> {
    pub(super) ident: &'a Ident,
    pub(super) attrs: &'a [Attribute],
    pub(super) generics: &'a Generics,
    /// The fields of a struct or of all variants.
    pub(super) fields: Vec<&'a Fields>,
    /// Anyone can write a value of it.
    pub(super) open: bool,
    pub(super) end: usize,
}

const CLONE: &str = "fn clone(&self) -> Self { ::core::unimplemented!() }";
const DEFAULT: &str = "fn default() -> Self { ::core::unimplemented!() }";

impl Generator<'_> {
    pub(super) fn traits(&mut self, item: &str, declared: &Declared<'_>) {
        let name = declared.ident.to_string();
        let has = |of: &str| self.facts.has(&name, of);
        let (clone, copy, send, sync) = (has("Clone"), has("Copy"), has("Send"), has("Sync"));
        let default = has("Default") || declared.open || self.facts.open.contains(&name);
        let copyable =
            !has("Drop") && !declared.fields.iter().flat_map(|f| f.iter()).any(|f| owns(&f.ty));

        let adds_clone = self.implementation(declared, "", "clone::Clone", CLONE, false);
        if !clone {
            let changes = vec![self.src.insert(declared.end, adds_clone.clone())];
            self.push(Operator::Clone, item, "", changes, format!("`{name}` may be cloned"));
        }
        if !copy && copyable {
            let before = if clone { "" } else { &adds_clone };
            let derived = clone && self.facts.derived.contains(&(name.clone(), "Clone".into()));
            let text = self.implementation(declared, "", "marker::Copy", "", derived);
            let changes = vec![self.src.insert(declared.end, format!("{before}{text}"))];
            self.push(Operator::Copy, item, "", changes, format!("`{name}` may be copied"));
        }
        for (operator, of, had, says) in [
            (Operator::Send, "marker::Send", send, "sent to another thread"),
            (Operator::Sync, "marker::Sync", sync, "shared between threads"),
        ] {
            if !had {
                let text = self.implementation(declared, "unsafe ", of, "", false);
                let changes = vec![self.src.insert(declared.end, text)];
                self.push(operator, item, "", changes, format!("`{name}` may be {says}"));
                let probe = self.probe(declared, of);
                if let Some(mutant) = self.out.last_mut() {
                    mutant.probe = Some(probe);
                }
            }
        }
        if !default {
            let text = self.implementation(declared, "", "default::Default", DEFAULT, false);
            let changes = vec![self.src.insert(declared.end, text)];
            let says = format!("anyone may make a `{name}` out of nothing");
            self.push(Operator::Default, item, "", changes, says);
        }
    }

    fn implementation(
        &self,
        declared: &Declared<'_>,
        before: &str,
        of: &str,
        body: &str,
        copies: bool,
    ) -> String {
        let (params, arguments) = self.parameters(declared.generics);
        let types = || declared.generics.type_params();
        let mut more: Vec<_> = if copies {
            types().map(|param| format!("{}: ::core::marker::Copy", param.ident)).collect()
        } else {
            Vec::new()
        };
        let unsized_ = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Trait(bound) if bound.maybe.is_some());
        let predicates = declared.generics.where_clause.iter().flat_map(|w| &w.predicates);
        let unsized_there = predicates
            .clone()
            .any(|p| matches!(p, syn::WherePredicate::Type(p) if p.bounds.iter().any(unsized_)));
        if before.is_empty() && (unsized_there || types().any(|p| p.bounds.iter().any(unsized_))) {
            more.push("Self: ::core::marker::Sized".into());
        }
        let predicates = self.predicates(declared.generics, more);
        let (cfgs, name) = (self.cfgs(declared.attrs), declared.ident);
        let body = if body.is_empty() { "{}".into() } else { format!("{{ {body} }}") };
        format!(
            "\n{cfgs}{before}impl{params} ::core::{of} for {name}{arguments}{predicates} {body}"
        )
    }

    fn probe(&self, declared: &Declared<'_>, of: &str) -> String {
        let (params, arguments) = self.parameters(declared.generics);
        let predicates = self.predicates(declared.generics, Vec::new());
        let (cfgs, name) = (self.cfgs(declared.attrs), declared.ident);
        format!(
            "\n{cfgs}const _: () = {{ fn has<HasIt: ?Sized + ::core::{of}>() {{}} \
             fn probe{params}(){predicates} {{ has::<{name}{arguments}>() }} }};"
        )
    }

    /// The parameters as an `impl` declares them, and as a type takes them.
    fn parameters(&self, generics: &Generics) -> (String, String) {
        let (mut params, mut arguments) = (Vec::new(), Vec::new());
        for param in &generics.params {
            let range = self.src.range(param);
            let (end, argument) = match param {
                GenericParam::Lifetime(param) => (None, param.lifetime.to_string()),
                GenericParam::Type(param) => {
                    (param.default.as_ref().map(|(eq, _)| eq), param.ident.to_string())
                }
                GenericParam::Const(param) => {
                    (param.default.as_ref().map(|(eq, _)| eq), param.ident.to_string())
                }
            };
            let end = end.map_or(range.end, |eq| self.src.start(eq));
            params.push(self.src.at(range.start..end).trim_end());
            arguments.push(argument);
        }
        if params.is_empty() {
            return (String::new(), String::new());
        }
        (format!("<{}>", params.join(", ")), format!("<{}>", arguments.join(", ")))
    }

    fn predicates(&self, generics: &Generics, more: Vec<String>) -> String {
        let there = generics.where_clause.iter().flat_map(|w| &w.predicates);
        let all: Vec<_> = there.map(|p| self.src.of(p).to_owned()).chain(more).collect();
        if all.is_empty() { String::new() } else { format!(" where {}", all.join(", ")) }
    }

    /// The conditions of the item, which hold for what is added too.
    fn cfgs(&self, attrs: &[Attribute]) -> String {
        let cfgs = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        cfgs.map(|attr| format!("{} ", self.src.of(attr))).collect()
    }
}

/// Whether a field of this type rules `Copy` out.
fn owns(ty: &Type) -> bool {
    const OWNERS: [&str; 11] = [
        "Arc",
        "Box",
        "Cell",
        "HashMap",
        "Mutex",
        "OnceCell",
        "Rc",
        "RefCell",
        "String",
        "UnsafeCell",
        "Vec",
    ];
    match ty {
        Type::Reference(ty) => ty.mutability.is_some(),
        Type::Array(ty) => owns(&ty.elem),
        Type::Tuple(ty) => ty.elems.iter().any(owns),
        _ => {
            type_name(ty).is_some_and(|name| OWNERS.contains(&&*name) || name.starts_with("Atomic"))
        }
    }
}
