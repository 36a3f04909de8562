//! What a public function asks of its caller: lifetimes, receivers, `unsafe`.

use std::collections::BTreeMap;
use std::ops::Range;

use syn::visit::{self, Visit};
use syn::{
    Block, FnArg, Lifetime, ParenthesizedGenericArguments, PathArguments, ReceiverKind, Safety,
    Signature, Type, TypeFnPtr, TypeImplTrait, TypeParamBound, TypeReference, WherePredicate,
};

use super::generate::Generator;
use super::{Change, Operator};

struct Function<'a> {
    item: &'a str,
    sig: &'a Signature,
    /// Makes the body fit any signature.
    body: Option<Change>,
}

impl<'a> Generator<'a> {
    /// `of` is the type whose method it is.
    pub(super) fn signature(
        &mut self,
        item: &str,
        sig: &Signature,
        block: &Block,
        of: Option<&Type>,
    ) {
        self.bounds(item, &sig.generics);
        self.argument_bounds(item, sig);

        let mut hidden = Impls::default();
        hidden.visit_return_type(&sig.output);
        // What a future or a type behind `impl` is, only the body says.
        let body = (hidden.0.is_empty() && sig.asyncness.is_none())
            .then(|| self.src.replace(self.src.range(block), "{ ::core::unimplemented!() }"));
        let function = Function { item, sig, body };
        self.untie(&function, of);
        self.higher_ranked(&function);
        self.receivers(&function);
        if let Safety::Unsafe(token) = &sig.safety {
            let next = self.src.start(&sig.fn_token);
            let next = sig.abi.as_ref().map_or(next, |abi| self.src.start(abi));
            let change = self.src.replace(self.src.start(token)..next, "");
            let says = format!("`{item}` may be called without `unsafe`");
            self.without_body(&function, Operator::Unsafe, "", vec![change], says);
        }
    }

    fn without_body(
        &mut self,
        function: &Function<'_>,
        operator: Operator,
        detail: &str,
        mut changes: Vec<Change>,
        says: String,
    ) {
        changes.extend(function.body.clone());
        self.push(operator, function.item, detail, changes, says);
    }

    /// Names the lifetimes at `places` by a new parameter.
    fn fresh(&self, sig: &Signature, name: &str, places: &[Place]) -> Vec<Change> {
        let parameter = match &sig.generics.lt_token {
            Some(token) => self.src.insert(self.src.end(token), format!("{name}, ")),
            None => self.src.insert(self.src.end(&sig.ident), format!("<{name}>")),
        };
        let change = |place: &Place| match place {
            Place::Reference(end) => self.src.insert(*end, format!("{name} ")),
            Place::Lifetime(range) => self.src.replace(range.clone(), name),
        };
        places.iter().map(change).chain([parameter]).collect()
    }

    /// A named lifetime may tie the result to several arguments: each tie is loosened alone, so
    /// that a test of one does not stand for the others.
    fn untie(&mut self, function: &Function<'_>, of: Option<&Type>) {
        let Function { item, sig, .. } = *function;
        let output = self.lifetimes(|v| v.visit_return_type(&sig.output));
        let loosen = |generator: &mut Self, detail: &str, from: &str, places: &[Place]| {
            let changes = generator.fresh(sig, "'untied", places);
            let says = format!("what `{item}` returns may outlive {from}");
            generator.without_body(function, Operator::Untie, detail, changes, says);
        };
        if !output.elided.is_empty() {
            loosen(self, "'_", "what it is borrowed from", &output.elided);
        }
        for (name, places) in &output.named {
            let mut tied = Vec::new();
            for input in &sig.inputs {
                let argument = match input {
                    FnArg::Receiver(_) => "self".into(),
                    FnArg::Typed(typed) => self.src.line_of(&typed.pat),
                };
                let mut found = self.lifetimes(|v| v.visit_fn_arg(input));
                tied.extend(found.named.remove(name).map(|places| (argument, places)));
            }
            // `self` brings in what is in `Self`.
            let by_self = of
                .filter(|_| sig.receiver().is_some())
                .is_some_and(|of| self.lifetimes(|v| v.visit_type(of)).named.contains_key(name));
            if tied.len() + usize::from(by_self) > 1 {
                for (argument, places) in &tied {
                    let detail = format!("{name} of {argument}");
                    loosen(self, &detail, &format!("`{argument}`"), places);
                }
            } else if by_self || !tied.is_empty() {
                loosen(self, name, &format!("`{name}`"), places);
            }
        }
    }

    fn higher_ranked(&mut self, function: &Function<'_>) {
        let sig = function.sig;
        for param in sig.generics.type_params() {
            for bound in &param.bounds {
                self.closure(function, &param.ident.to_string(), bound, None);
            }
        }
        for predicate in sig.generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
            let WherePredicate::Type(p) = predicate else { continue };
            let name = self.src.line_of(&p.bounded_ty);
            let binder =
                p.lifetimes.as_ref().map(|_| self.src.start(p)..self.src.start(&p.bounded_ty));
            // Other bounds may need the same binder.
            if binder.is_none() || p.bounds.len() == 1 {
                for bound in &p.bounds {
                    self.closure(function, &name, bound, binder.clone());
                }
            }
        }
        for argument in &sig.inputs {
            let FnArg::Typed(argument) = argument else { continue };
            let mut impls = Impls::default();
            impls.visit_type(&argument.ty);
            let name = self.src.line_of(&argument.pat);
            for bound in impls.0.iter().flat_map(|ty| &ty.bounds) {
                self.closure(function, &name, bound, None);
            }
        }
    }

    /// `binder` is the place of a `for<…>` before the predicate of the bound.
    fn closure(
        &mut self,
        function: &Function<'_>,
        name: &str,
        bound: &TypeParamBound,
        binder: Option<Range<usize>>,
    ) {
        let TypeParamBound::Trait(bound) = bound else { return };
        let Some(segment) = bound.path.segments.last() else { return };
        let PathArguments::Parenthesized(arguments) = &segment.arguments else { return };
        let lent = self.lifetimes(|v| visit::visit_parenthesized_generic_arguments(v, arguments));
        let inner = bound
            .lifetimes
            .as_ref()
            .map(|binder| self.src.start(binder)..self.src.start(&bound.path));
        let binders: Vec<_> = binder.into_iter().chain(inner).collect();
        let bound_here = |name: &str| {
            let names = |range: &Range<usize>| {
                let text = self.src.at(range.clone());
                text.split(|c: char| "<>, :".contains(c)).any(|word| word == name)
            };
            binders.iter().any(names)
        };
        let named = lent.named.into_iter().filter(|(name, _)| bound_here(name));
        let places: Vec<_> = lent.elided.into_iter().chain(named.flat_map(|(_, p)| p)).collect();
        if places.is_empty() {
            return;
        }
        let mut changes = self.fresh(function.sig, "'lent", &places);
        changes.extend(binders.into_iter().map(|binder| self.src.replace(binder, "")));
        let says = format!("what `{}` lends to `{name}` may escape from it", function.item);
        self.without_body(function, Operator::HigherRanked, name, changes, says);
    }

    fn receivers(&mut self, function: &Function<'_>) {
        let Function { item, sig, .. } = *function;
        for argument in &sig.inputs {
            let (name, change) = match argument {
                FnArg::Receiver(receiver) => {
                    let token = self.src.range(&receiver.self_token);
                    let change = match &receiver.kind {
                        ReceiverKind::Reference(_, _, Some(mutable)) => {
                            self.src.replace(self.src.start(mutable)..token.start, "")
                        }
                        // An elided lifetime of the result would be tied to `self`.
                        ReceiverKind::Value
                            if !self.facts.has(item.rsplit("::").nth(1).unwrap_or(""), "Copy")
                                && self
                                    .lifetimes(|v| v.visit_return_type(&sig.output))
                                    .elided
                                    .is_empty() =>
                        {
                            let start = receiver.mutability.as_ref();
                            let start = start.map_or(token.start, |token| self.src.start(token));
                            self.src.replace(start..token.end, "&self")
                        }
                        _ => continue,
                    };
                    ("self".into(), change)
                }
                FnArg::Typed(argument) => {
                    let Type::Reference(TypeReference { mutability: Some(token), elem, .. }) =
                        &*argument.ty
                    else {
                        continue;
                    };
                    let change = self.src.replace(self.src.start(token)..self.src.start(elem), "");
                    (self.src.line_of(&argument.pat), change)
                }
            };
            let says = format!("a shared reference `{name}` will do for `{item}`");
            self.without_body(function, Operator::Receiver, &name, vec![change], says);
        }
    }

    fn lifetimes(&self, visit: impl FnOnce(&mut Lifetimes<'a>)) -> Lifetimes<'a> {
        let mut found = Lifetimes { src: self.src, elided: Vec::new(), named: BTreeMap::new() };
        visit(&mut found);
        found
    }
}

enum Place {
    /// `&` without a lifetime, which would stand at this offset.
    Reference(usize),
    Lifetime(Range<usize>),
}

/// The lifetimes of a type, without those that `fn(…)` and `Fn(…)` in it declare.
struct Lifetimes<'a> {
    src: &'a super::source::Source<'a>,
    elided: Vec<Place>,
    named: BTreeMap<String, Vec<Place>>,
}

impl<'ast> Visit<'ast> for Lifetimes<'_> {
    fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
        if ty.lifetime.is_none() {
            self.elided.push(Place::Reference(self.src.end(&ty.and_token)));
        }
        visit::visit_type_reference(self, ty);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        let place = Place::Lifetime(self.src.range(lifetime));
        match &*lifetime.to_string() {
            "'_" => self.elided.push(place),
            "'static" => {}
            name => self.named.entry(name.into()).or_default().push(place),
        }
    }

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}

    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}
}

/// The types behind `impl`.
#[derive(Default)]
struct Impls<'ast>(Vec<&'ast TypeImplTrait>);

impl<'ast> Visit<'ast> for Impls<'ast> {
    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.0.push(ty);
        visit::visit_type_impl_trait(self, ty);
    }
}
