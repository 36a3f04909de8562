//! One bound less.

use std::ops::Range;

use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{GenericParam, Generics, Lifetime, Signature, Token, TypeParamBound, WherePredicate};

use super::Operator;
use super::facts::last;
use super::generate::Generator;
use super::signature::Impls;

type Colon = Option<Token![:]>;
type Bounds<B> = Punctuated<B, Token![+]>;

impl Generator<'_> {
    pub(super) fn bounds(&mut self, item: &str, generics: &Generics) {
        for param in &generics.params {
            match param {
                GenericParam::Type(p) => {
                    self.list(item, &p.ident.to_string(), &p.bounds, &p.colon_token, "");
                }
                GenericParam::Lifetime(p) => {
                    self.list(item, &p.lifetime.to_string(), &p.bounds, &p.colon_token, "");
                }
                GenericParam::Const(_) => {}
            }
        }
        for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
            match predicate {
                WherePredicate::Type(p) => {
                    let subject = self.src.line_of(&p.bounded_ty);
                    self.list(item, &subject, &p.bounds, &None, "");
                }
                WherePredicate::Lifetime(p) => {
                    self.list(item, &p.lifetime.to_string(), &p.bounds, &None, "");
                }
                _ => {}
            }
        }
    }

    /// The bounds of a trait or of an associated type.
    pub(super) fn super_bounds(
        &mut self,
        item: &str,
        colon: &Colon,
        bounds: &Bounds<TypeParamBound>,
    ) {
        self.list(item, "", bounds, colon, "");
    }

    /// The bounds of arguments behind `impl`.
    pub(super) fn argument_bounds(&mut self, item: &str, sig: &Signature) {
        for argument in &sig.inputs {
            let mut impls = Impls::default();
            impls.visit_fn_arg(argument);
            for ty in impls.0 {
                self.list(item, &self.argument(argument), &ty.bounds, &None, "Sized");
            }
        }
    }

    /// Removes each of `bounds`. The last one takes `colon` with it, or leaves `instead`.
    fn list<B: Removable>(
        &mut self,
        item: &str,
        subject: &str,
        bounds: &Bounds<B>,
        colon: &Colon,
        instead: &str,
    ) {
        let places: Vec<Range<usize>> = bounds.iter().map(|bound| self.src.range(bound)).collect();
        for (index, bound) in bounds.iter().enumerate() {
            if !bound.guards(!subject.is_empty()) {
                continue;
            }
            let Range { start, end } = places[index];
            let change = match (index.checked_sub(1), places.get(index + 1), colon) {
                (Some(before), _, _) => self.src.replace(places[before].end..end, ""),
                (None, Some(next), _) => self.src.replace(start..next.start, ""),
                (None, None, Some(colon)) => self.src.replace(self.src.start(colon)..end, ""),
                (None, None, None) => self.src.replace(start..end, instead),
            };
            let bound = self.src.line_of(bound);
            let (detail, whose) = match subject {
                "" => (bound.clone(), String::new()),
                _ => (format!("{subject}: {bound}"), format!("`{subject}` of ")),
            };
            let says = format!("{whose}`{item}` need not be `{bound}`");
            self.push(Operator::Bound, item, &detail, vec![change], says);
        }
    }
}

trait Removable: Spanned {
    /// Whether something is permitted without the bound that is not with it.
    fn guards(&self, of_parameter: bool) -> bool;
}

impl Removable for Lifetime {
    fn guards(&self, _: bool) -> bool {
        true
    }
}

impl Removable for TypeParamBound {
    fn guards(&self, of_parameter: bool) -> bool {
        match self {
            TypeParamBound::Trait(bound) => {
                let name = last(&bound.path).unwrap_or_default();
                // `?Sized` permits; a parameter is `Sized` without the bound; what is called has
                // to be callable.
                bound.maybe.is_none()
                    && !(of_parameter && name == "Sized")
                    && !["Fn", "FnMut", "FnOnce"].contains(&&*name)
            }
            TypeParamBound::Lifetime(_) => true,
            _ => false,
        }
    }
}
