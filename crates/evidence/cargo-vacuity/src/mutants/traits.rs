//! Traits that a type has no business to have.

use syn::{Attribute, GenericParam, Generics};

use super::Operator;
use super::facts::is;
use super::generate::Generator;

/// A type that others can see.
pub(super) struct Declared<'a> {
    pub(super) attrs: &'a [Attribute],
    pub(super) generics: &'a Generics,
    /// Anyone can write a value of it.
    pub(super) open: bool,
    pub(super) end: usize,
}

impl Generator<'_> {
    pub(super) fn traits(&mut self, item: &str, declared: &Declared<'_>) {
        let name = item.rsplit("::").next().unwrap_or(item);
        let clone = "fn clone(&self) -> Self { ::core::unimplemented!() }";
        let clone = self.added(name, declared, "clone::Clone", clone);
        let copy = self.added(name, declared, "marker::Copy", "");
        let copy = if self.facts.has(name, "Clone") { copy } else { format!("{clone}{copy}") };
        let send = self.added(name, declared, "marker::Send", "");
        let sync = self.added(name, declared, "marker::Sync", "");
        let default = "fn default() -> Self { ::core::unimplemented!() }";
        let default = self.added(name, declared, "default::Default", default);
        let made = declared.open || self.facts.open.contains(name);
        let drops = self.facts.has(name, "Drop");

        for (operator, of, text, says, known) in [
            (Operator::Clone, "Clone", clone, "cloned", false),
            (Operator::Copy, "Copy", copy, "copied", drops),
            (Operator::Send, "Send", send, "sent to another thread", false),
            (Operator::Sync, "Sync", sync, "shared between threads", false),
            (Operator::Default, "Default", default, "made out of nothing", made),
        ] {
            if known || self.facts.has(name, of) {
                continue;
            }
            let change = self.src.insert(declared.end, text);
            self.push(operator, item, "", vec![change], format!("`{name}` may be {says}"));
            if matches!(operator, Operator::Send | Operator::Sync) {
                let probe = self.probe(name, declared, of);
                self.out.last_mut().map(|mutant| mutant.probe.insert(probe));
            }
        }
    }

    /// The text that gives a type a trait of `core`.
    fn added(&self, name: &str, declared: &Declared<'_>, of: &str, body: &str) -> String {
        let (cfgs, params, arguments, mut predicates) = self.header(declared);
        let types = declared.generics.type_params();
        if of == "marker::Copy" && self.facts.derives(name, "Clone") {
            predicates.extend(types.map(|param| format!("{}: ::core::marker::Copy", param.ident)));
        }
        let threads = ["marker::Send", "marker::Sync"].contains(&of);
        if !threads && format!("{params}{predicates:?}").contains("?Sized") {
            predicates.push("Self: ::core::marker::Sized".into());
        }
        let unsafe_ = if threads { "unsafe " } else { "" };
        let (clause, space) = (clause(&predicates), if body.is_empty() { "" } else { " " });
        format!(
            "\n{cfgs}{unsafe_}impl{params} ::core::{of} for {name}{arguments}{clause} \
             {{{space}{body}{space}}}"
        )
    }

    fn probe(&self, name: &str, declared: &Declared<'_>, of: &str) -> String {
        let (cfgs, params, arguments, predicates) = self.header(declared);
        format!(
            "\n{cfgs}const _: () = {{ fn has<HasIt: ?Sized + ::core::marker::{of}>() {{}} \
             fn probe{params}(){} {{ has::<{name}{arguments}>() }} }};",
            clause(&predicates)
        )
    }

    /// The conditions of a type, its parameters as an `impl` declares them and as the type takes
    /// them, and its predicates.
    fn header(&self, declared: &Declared<'_>) -> (String, String, String, Vec<String>) {
        let cfgs = declared.attrs.iter().filter(|attr| is(attr, &["cfg"]));
        let cfgs = cfgs.map(|attr| format!("{} ", self.src.of(attr))).collect();
        let (mut params, mut arguments) = (Vec::new(), Vec::new());
        for param in &declared.generics.params {
            let range = self.src.range(param);
            let (default, argument) = match param {
                GenericParam::Lifetime(param) => (None, param.lifetime.to_string()),
                GenericParam::Type(param) => {
                    (param.default.as_ref().map(|(eq, _)| eq), param.ident.to_string())
                }
                GenericParam::Const(param) => {
                    (param.default.as_ref().map(|(eq, _)| eq), param.ident.to_string())
                }
            };
            let end = default.map_or(range.end, |eq| self.src.start(eq));
            params.push(self.src.at(range.start..end).trim_end().to_owned());
            arguments.push(argument);
        }
        let angled = |all: Vec<String>| {
            if all.is_empty() { String::new() } else { format!("<{}>", all.join(", ")) }
        };
        let predicates = declared.generics.where_clause.iter().flat_map(|w| &w.predicates);
        let predicates = predicates.map(|predicate| self.src.of(predicate).to_owned()).collect();
        (cfgs, angled(params), angled(arguments), predicates)
    }
}

fn clause(predicates: &[String]) -> String {
    if predicates.is_empty() { String::new() } else { format!(" where {}", predicates.join(", ")) }
}
