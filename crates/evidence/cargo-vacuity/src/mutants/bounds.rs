//! One bound less.

use std::ops::Range;

use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, PathArguments, Signature, Token, Type,
    TypeParamBound, WherePredicate,
};

use super::Operator;
use super::facts::last;
use super::generate::Generator;

/// What a list of bounds that has lost its only one looks like.
enum Lone {
    /// The colon goes too.
    Without(Range<usize>),
    /// Another text is needed.
    Instead(&'static str),
}

impl Generator<'_> {
    pub(super) fn bounds(&mut self, item: &str, generics: &Generics) {
        for param in &generics.params {
            match param {
                GenericParam::Type(param) => {
                    let subject = param.ident.to_string();
                    let colon = self.colon(&param.colon_token);
                    self.type_bounds(item, &subject, &param.bounds, &colon, true);
                }
                GenericParam::Lifetime(param) => {
                    let subject = param.lifetime.to_string();
                    let colon = self.colon(&param.colon_token);
                    self.list(item, &subject, &param.bounds, &colon, |_| true);
                }
                GenericParam::Const(_) => {}
            }
        }
        let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        for predicate in predicates {
            match predicate {
                WherePredicate::Type(predicate) => {
                    let subject = self.src.line_of(&predicate.bounded_ty);
                    self.type_bounds(item, &subject, &predicate.bounds, &Lone::Instead(""), true);
                }
                WherePredicate::Lifetime(predicate) => {
                    let subject = predicate.lifetime.to_string();
                    self.list(item, &subject, &predicate.bounds, &Lone::Instead(""), |_| true);
                }
                _ => {}
            }
        }
    }

    /// The bounds of a trait or of an associated type.
    pub(super) fn super_bounds(
        &mut self,
        item: &str,
        colon: &Option<Token![:]>,
        bounds: &Punctuated<TypeParamBound, Token![+]>,
    ) {
        let lone = self.colon(colon);
        self.type_bounds(item, "", bounds, &lone, false);
    }

    pub(super) fn argument_bounds(&mut self, item: &str, sig: &Signature) {
        for argument in &sig.inputs {
            let FnArg::Typed(argument) = argument else { continue };
            let mut ty = &*argument.ty;
            while let Type::Reference(reference) = ty {
                ty = &reference.elem;
            }
            if let Type::ImplTrait(ty) = ty {
                let subject = self.src.line_of(&argument.pat);
                self.type_bounds(item, &subject, &ty.bounds, &Lone::Instead("Sized"), true);
            }
        }
    }

    fn colon(&self, colon: &Option<Token![:]>) -> Lone {
        match colon {
            Some(colon) => Lone::Without(self.src.range(colon)),
            None => Lone::Instead(""),
        }
    }

    fn type_bounds(
        &mut self,
        item: &str,
        subject: &str,
        bounds: &Punctuated<TypeParamBound, Token![+]>,
        lone: &Lone,
        sized: bool,
    ) {
        self.list(item, subject, bounds, lone, |bound| match bound {
            TypeParamBound::Trait(bound) => {
                let name = last(&bound.path).unwrap_or_default();
                // `?Sized` permits; a parameter is `Sized` without the bound; what is called has
                // to be callable.
                bound.maybe.is_none()
                    && !(sized && name == "Sized")
                    && !["Fn", "FnMut", "FnOnce"].contains(&&*name)
            }
            TypeParamBound::Lifetime(_) => true,
            _ => false,
        });
        for bound in bounds {
            let TypeParamBound::Trait(bound) = bound else { continue };
            let Some(segment) = bound.path.segments.last() else { continue };
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { continue };
            for argument in &arguments.args {
                if let GenericArgument::Constraint(inner) = argument {
                    let subject = format!("{subject}::{}", inner.ident);
                    self.type_bounds(item, &subject, &inner.bounds, &Lone::Instead(""), false);
                }
            }
        }
    }

    fn list<B: Spanned>(
        &mut self,
        item: &str,
        subject: &str,
        bounds: &Punctuated<B, Token![+]>,
        lone: &Lone,
        guards: impl Fn(&B) -> bool,
    ) {
        let places: Vec<_> = bounds.iter().map(|bound| self.src.range(bound)).collect();
        for (index, bound) in bounds.iter().enumerate().filter(|(_, bound)| guards(bound)) {
            let place = places[index].clone();
            let change = match (index, places.get(index + 1), lone) {
                (0, Some(next), _) => self.src.replace(place.start..next.start, ""),
                (0, None, Lone::Without(colon)) => self.src.replace(colon.start..place.end, ""),
                (0, None, Lone::Instead(text)) => self.src.replace(place, *text),
                _ => self.src.replace(places[index - 1].end..place.end, ""),
            };
            let bound = self.src.line_of(bound);
            let (detail, says) = if subject.is_empty() {
                (bound.clone(), format!("`{item}` need not be `{bound}`"))
            } else {
                let detail = format!("{subject}: {bound}");
                (detail, format!("`{subject}` of `{item}` need not be `{bound}`"))
            };
            self.push(Operator::Bound, item, &detail, vec![change], says);
        }
    }
}
