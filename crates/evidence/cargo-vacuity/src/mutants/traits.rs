//! Traits that a type has no business to have.

use quote::ToTokens;
use syn::{DeriveInput, parse_quote};

use super::Operator;
use super::facts::{is, line_of, range};
use super::generate::Generator;

const CLONE: &str = "fn clone(&self) -> Self { ::core::unimplemented!() }";
const DEFAULT: &str = "fn default() -> Self { ::core::unimplemented!() }";

impl Generator<'_> {
    pub(super) fn traits(&mut self, item: &str, i: &DeriveInput) {
        let (name, end) = (i.ident.to_string(), range(i).end);
        let cfgs = i.attrs.iter().filter(|attr| is(attr, &["cfg"]));
        let cfgs: String = cfgs.map(|attr| line_of(attr) + " ").collect();
        let mut clone = String::new();
        for (operator, path, unsafe_, body) in [
            (Operator::CLONE, "clone::Clone", "", CLONE),
            (Operator::COPY, "marker::Copy", "", ""),
            (Operator::SEND, "marker::Send", "unsafe ", ""),
            (Operator::SYNC, "marker::Sync", "unsafe ", ""),
            (Operator::DEFAULT, "default::Default", "", DEFAULT),
        ] {
            let has = |of: &str| self.facts.has(&name, of);
            let copy = operator == Operator::COPY;
            if path.rsplit("::").next().is_some_and(has) || copy && has("Drop") {
                continue;
            }
            let mut generics = i.generics.clone();
            for param in generics.type_params_mut().filter(|_| copy && has("Clone")) {
                param.bounds.push(parse_quote!(::core::marker::Copy));
            }
            let (params, arguments, clause) = generics.split_for_impl();
            let parts = [&params as &dyn ToTokens, &arguments, &clause];
            let [params, arguments, clause] = parts.map(|part| {
                let text = part.to_token_stream().to_string();
                // The other traits return `Self`.
                if unsafe_.is_empty() { text.replace("? Sized", "Sized") } else { text }
            });
            let mut text = format!(
                "\n{cfgs}{unsafe_}impl {params} ::core::{path} for {name} {arguments} {clause} \
                 {{ {body} }}"
            );
            if copy {
                text.insert_str(0, &clone);
            }
            clone.clone_from(&text);
            self.push(operator, item, "", vec![(end..end, text)]);
            if let (false, Some(mutant)) = (unsafe_.is_empty(), self.out.last_mut()) {
                mutant.probe = Some(format!(
                    "\n{cfgs}const _: () = {{ fn has<HasIt: ?Sized + ::core::{path}>() {{}} \
                     fn probe {params} () {clause} {{ has::<{name} {arguments}>() }} }};"
                ));
            }
        }
    }
}
