//! What a public function asks of its caller: lifetimes, receivers, `unsafe`.

use std::collections::BTreeMap;
use std::ops::Range;

use syn::visit::{self, Visit};
use syn::{
    Block, FnArg, Lifetime, ParenthesizedGenericArguments, PathArguments, Receiver, ReceiverKind,
    Safety, Signature, Type, TypeFnPtr, TypeImplTrait, TypeParamBound, TypeReference,
    WherePredicate,
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
                let mut found = self.lifetimes(|v| v.visit_fn_arg(input));
                tied.extend(found.named.remove(name).map(|places| (self.argument(input), places)));
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
        let mut bounds = Vec::new();
        for param in sig.generics.type_params() {
            bounds.extend(param.bounds.iter().map(|bound| (param.ident.to_string(), bound, None)));
        }
        for predicate in sig.generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
            let WherePredicate::Type(p) = predicate else { continue };
            let name = self.src.line_of(&p.bounded_ty);
            let binder = self.src.start(p)..self.src.start(&p.bounded_ty);
            // Other bounds may need the same binder.
            if binder.is_empty() || p.bounds.len() == 1 {
                let bound = |bound| (name.clone(), bound, Some(binder.clone()));
                bounds.extend(p.bounds.iter().map(bound));
            }
        }
        for argument in &sig.inputs {
            let mut impls = Impls::default();
            impls.visit_fn_arg(argument);
            let all = impls.0.iter().flat_map(|ty| &ty.bounds);
            bounds.extend(all.map(|bound| (self.argument(argument), bound, None)));
        }
        for (name, bound, binder) in bounds {
            let TypeParamBound::Trait(bound) = bound else { continue };
            let Some(segment) = bound.path.segments.last() else { continue };
            let PathArguments::Parenthesized(args) = &segment.arguments else { continue };
            let lent = self.lifetimes(|v| visit::visit_parenthesized_generic_arguments(v, args));
            let binders =
                [binder.unwrap_or(0..0), self.src.start(bound)..self.src.start(&bound.path)];
            let declared = |name: &str| {
                let words = |binder: &Range<usize>| {
                    self.src.at(binder.clone()).split(['<', '>', ',', ':', ' '])
                };
                binders.iter().flat_map(words).any(|word| word == name)
            };
            let named = lent.named.into_iter().filter(|(name, _)| declared(name));
            let mut places = lent.elided;
            places.extend(named.flat_map(|(_, places)| places));
            if places.is_empty() {
                continue;
            }
            let mut changes = self.fresh(sig, "'lent", &places);
            let binders = binders.into_iter().filter(|binder| !binder.is_empty());
            changes.extend(binders.map(|binder| self.src.replace(binder, "")));
            let says = format!("what `{}` lends to `{name}` may escape from it", function.item);
            self.without_body(function, Operator::HigherRanked, &name, changes, says);
        }
    }

    fn receivers(&mut self, function: &Function<'_>) {
        let Function { item, sig, .. } = *function;
        let copied = self.facts.has(item.rsplit("::").nth(1).unwrap_or(""), "Copy");
        // An elided lifetime of the result would be tied to `&self`.
        let elided = !self.lifetimes(|v| v.visit_return_type(&sig.output)).elided.is_empty();
        for argument in &sig.inputs {
            let change = match argument {
                FnArg::Receiver(Receiver { kind, self_token, mutability, .. }) => {
                    let Range { start, end } = self.src.range(self_token);
                    match kind {
                        ReceiverKind::Reference(_, _, Some(token)) => {
                            self.src.replace(self.src.start(token)..start, "")
                        }
                        ReceiverKind::Value if !copied && !elided => {
                            let start = mutability.map_or(start, |token| self.src.start(&token));
                            self.src.replace(start..end, "&self")
                        }
                        _ => continue,
                    }
                }
                FnArg::Typed(argument) => match &*argument.ty {
                    Type::Reference(TypeReference { mutability: Some(token), elem, .. }) => {
                        self.src.replace(self.src.start(token)..self.src.start(elem), "")
                    }
                    _ => continue,
                },
            };
            let name = self.argument(argument);
            let says = format!("a shared reference `{name}` will do for `{item}`");
            self.without_body(function, Operator::Receiver, &name, vec![change], says);
        }
    }

    /// The name of an argument.
    pub(super) fn argument(&self, argument: &FnArg) -> String {
        match argument {
            FnArg::Receiver(_) => "self".into(),
            FnArg::Typed(argument) => {
                self.src.line_of(&argument.pat).trim_start_matches("mut ").into()
            }
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
pub(super) struct Impls<'ast>(pub(super) Vec<&'ast TypeImplTrait>);

impl<'ast> Visit<'ast> for Impls<'ast> {
    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.0.push(ty);
        visit::visit_type_impl_trait(self, ty);
    }
}
