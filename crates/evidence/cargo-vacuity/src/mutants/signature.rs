//! What a declaration asks of others: bounds, lifetimes, exclusive access, `unsafe`.

use std::collections::BTreeSet;

use proc_macro2::Span;
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, FnArg, ItemTrait, Lifetime, LifetimeParam, ParenthesizedGenericArguments as Arguments,
    PathArguments, PredicateType, ReceiverKind, Safety, Signature, TraitBound, Type, TypeFnPtr,
    TypeImplTrait, TypeParam, TypeParamBound, TypeReference,
};

use super::Operator;
use super::facts::{argument, last, line_of, range, words};
use super::generate::{Edit, Generator};

/// A change of a signature, and which of its kind it is.
type Found = (Operator, String, Vec<Edit>);

impl Generator<'_> {
    /// `of` is the type whose method it is.
    pub(super) fn callee(&mut self, item: &str, sig: &Signature, body: &Block, of: Option<&Type>) {
        let mut bounded = Bounded::default();
        bounded.visit_generics(&sig.generics);
        sig.inputs.iter().for_each(|input| bounded.visit_fn_arg(input));
        let copied = item.rsplit("::").nth(1).is_some_and(|ty| self.facts.has(ty, "Copy"));
        let mut found = Vec::new();
        untie(sig, of, &mut found);
        higher_ranked(sig, &bounded, &mut found);
        receivers(sig, copied, &mut found);
        if let Safety::Unsafe(token) = &sig.safety {
            found.push((Operator::UNSAFE, String::new(), vec![(range(token), String::new())]));
        }
        // Any body will do, unless it says what a future is, or a type behind `impl`.
        let hides = sig.asyncness.is_some() || words(&sig.output).contains("impl");
        for (operator, detail, mut edits) in found {
            edits.extend((!hides).then(|| (range(body), "{ ::core::unimplemented!() }".into())));
            self.push(operator, item, &detail, edits);
        }
        self.bounds(item, |all| *all = bounded);
    }

    pub(super) fn bounds(&mut self, item: &str, visit: impl FnOnce(&mut Bounded)) {
        let mut bounded = Bounded::default();
        visit(&mut bounded);
        for (name, bounds) in bounded.found {
            for (index, bound) in bounds.iter().enumerate() {
                // What is called has to be callable, and most things are `Sized` anyway.
                let needed = ["Fn", "FnMut", "FnOnce", "Sized"];
                if matches!(bound, TypeParamBound::Trait(b) if needed.contains(&&*last(&b.path))) {
                    continue;
                }
                let mut edit = (range(bound), String::new());
                if let Some(next) = bounds.get(index + 1) {
                    edit.0.end = range(next).start;
                } else if index == 0 && !name.is_empty() && !name.starts_with('\'') {
                    // Behind `impl` something has to be left.
                    edit.1 = "Sized".into();
                }
                let detail = format!("{name}: {}", line_of(bound));
                self.push(Operator::BOUND, item, detail.trim_start_matches(": "), vec![edit]);
            }
        }
    }
}

/// Loosens each tie of the result alone, so that a test of one does not stand for the others.
fn untie(sig: &Signature, of: Option<&Type>, found: &mut Vec<Found>) {
    let mut names = words(&sig.output);
    names.retain(|word| word.starts_with('\'') && word != "'static");
    names.insert("'_".into());
    for name in &names {
        let untied = ("'untied", &BTreeSet::from([name.clone()]));
        let output = fresh(untied, (sig, &sig.output), |f, new| f.visit_return_type_mut(new));
        let Some(output) = output else { continue };
        let tie = |input| {
            let edits = fresh(untied, (sig, input), |f, new| f.visit_fn_arg_mut(new))?;
            Some((Operator::UNTIE, format!("{name} of {}", argument(input)), edits))
        };
        let ties: Vec<_> = sig.inputs.iter().filter_map(tie).collect();
        // `self` brings in what is in `Self`.
        let by_self = sig.receiver().and(of).is_some_and(|of| words(of).contains(name));
        if name == "'_" || ties.len() + usize::from(by_self) == 1 {
            found.push((Operator::UNTIE, name.clone(), output));
        } else {
            found.extend(ties);
        }
    }
}

fn higher_ranked(sig: &Signature, bounded: &Bounded, found: &mut Vec<Found>) {
    for (name, bounds) in &bounded.found {
        for bound in bounds {
            let TypeParamBound::Trait(TraitBound { lifetimes, .. }) = bound else { continue };
            let mut from = words(lifetimes);
            from.insert("'_".into());
            let edits = fresh(("'lent", &from), (sig, bound), |fresh, bound| {
                let TypeParamBound::Trait(bound) = bound else { return };
                let Some(last) = bound.path.segments.last_mut() else { return };
                let PathArguments::Parenthesized(args) = &mut last.arguments else { return };
                bound.lifetimes = None;
                visit_mut::visit_parenthesized_generic_arguments_mut(fresh, args);
            });
            found.extend(edits.map(|edits| (Operator::LENT, name.clone(), edits)));
        }
    }
}

fn receivers(sig: &Signature, copied: bool, found: &mut Vec<Found>) {
    // An elided lifetime of the result would be tied to `&self`.
    let output = line_of(&sig.output);
    let by_value = !copied && !output.contains('&') && !output.contains("'_");
    for input in &sig.inputs {
        let (place, shared) = match input {
            FnArg::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Reference(_, _, Some(token)) => (range(token), ""),
                ReceiverKind::Value if by_value => (range(receiver), "&self"),
                _ => continue,
            },
            FnArg::Typed(typed) => match &*typed.ty {
                Type::Reference(TypeReference { mutability: Some(t), .. }) => (range(t), ""),
                _ => continue,
            },
        };
        found.push((Operator::RECEIVER, argument(input), vec![(place, shared.into())]));
    }
}

/// Puts a new lifetime in the place of others in a part of a signature, which declares it.
fn fresh<T: ToTokens + Clone>(
    (to, from): (&str, &BTreeSet<String>),
    (sig, part): (&Signature, &T),
    visit: impl FnOnce(&mut Fresh<'_>, &mut T),
) -> Option<Vec<Edit>> {
    let (mut fresh, mut new) = (Fresh { to, from, found: false }, part.clone());
    visit(&mut fresh, &mut new);
    let (at, parameter) = match &sig.generics.lt_token {
        Some(token) => (range(token).end, format!("{to}, ")),
        None => (range(&sig.ident).end, format!("<{to}>")),
    };
    let part = (range(part), new.to_token_stream().to_string());
    fresh.found.then(|| vec![(at..at, parameter), part])
}

struct Fresh<'a> {
    to: &'a str,
    /// `'_` stands for those that are elided, too.
    from: &'a BTreeSet<String>,
    found: bool,
}

/// What `fn(…)` and `Fn(…)` declare is theirs.
impl VisitMut for Fresh<'_> {
    fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
        ty.lifetime.get_or_insert_with(|| Lifetime::new("'_", Span::call_site()));
        visit_mut::visit_type_reference_mut(self, ty);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if self.from.contains(&lifetime.to_string()) {
            *lifetime = Lifetime::new(self.to, Span::call_site());
            self.found = true;
        }
    }

    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut Arguments) {}

    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
}

/// What has bounds: parameters, arguments behind `impl`, and a trait, whose name is left out.
#[derive(Default)]
pub(super) struct Bounded {
    argument: String,
    found: Vec<(String, Vec<TypeParamBound>)>,
}

impl<'ast> Visit<'ast> for Bounded {
    fn visit_lifetime_param(&mut self, p: &'ast LifetimeParam) {
        let bounds = p.bounds.iter().cloned().map(TypeParamBound::Lifetime).collect();
        self.found.push((p.lifetime.to_string(), bounds));
    }

    fn visit_type_param(&mut self, p: &'ast TypeParam) {
        self.found.push((p.ident.to_string(), p.bounds.iter().cloned().collect()));
    }

    fn visit_predicate_type(&mut self, p: &'ast PredicateType) {
        self.found.push((line_of(&p.bounded_ty), p.bounds.iter().cloned().collect()));
    }

    fn visit_fn_arg(&mut self, input: &'ast FnArg) {
        self.argument = argument(input);
        visit::visit_fn_arg(self, input);
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.found.push((self.argument.clone(), ty.bounds.iter().cloned().collect()));
    }

    fn visit_item_trait(&mut self, i: &'ast ItemTrait) {
        self.found.push((String::new(), i.supertraits.iter().cloned().collect()));
    }
}
