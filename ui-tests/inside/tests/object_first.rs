//! Every function of the engine that works on a migration is handed the object: it takes
//! `&MigrationState` first, or `Arc<MigrationState>` where it must outlive the call, or `Begun`,
//! which is the object of an attempt. A method of a struct that keeps the object that it began
//! with, as a phase does, cannot be given another one.
//!
//! Three kinds of files: the object itself; leaves, which know nothing of a migration and do
//! not name its type; and all others, where a function works on a migration if it takes a lock
//! token, returns a phase (a struct of these files that must be used), or takes the object at all.
//! A helper that does none of these has no object.

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::{self, Visit};

mod sources;

const THE_OBJECT: &str = "state.rs";

const LEAVES: [&str; 28] = [
    "agreement.rs",
    "course.rs",
    "error.rs",
    "fate.rs",
    "host.rs",
    "life.rs",
    "lib.rs",
    "memory/bitmap.rs",
    "memory/block.rs",
    "memory/guest_io.rs",
    "memory/mod.rs",
    "memory/page.rs",
    "parameters.rs",
    "progress.rs",
    "registrations.rs",
    "rights.rs",
    "sigpipe.rs",
    "status.rs",
    "transitions.rs",
    "transport/channel.rs",
    "transport/command.rs",
    "transport/listener.rs",
    "transport/mod.rs",
    "transport/removed.rs",
    "transport/stop.rs",
    "transport/tcp.rs",
    "transport/unix.rs",
    "transport/uri.rs",
];

/// Functions that need no object, each with the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// What the rule says of a set of files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    /// Functions that work on a migration and are not handed it, as `file.rs::function`.
    without_object: BTreeSet<String>,
    /// Leaves that name the object's type.
    leaves_that_know: BTreeSet<String>,
}

fn check(files: &[(String, String)]) -> Findings {
    let mut findings = Findings::default();
    let parsed: Vec<_> =
        files.iter().map(|(name, text)| (name, syn::parse_file(text).expect("Rust"))).collect();
    let is_leaf = |name: &str| LEAVES.contains(&name);

    let mut phases = Phases::default();
    for (name, file) in &parsed {
        if is_leaf(name) {
            let mut names = Names::default();
            names.visit_file(file);
            if names.object {
                findings.leaves_that_know.insert((*name).clone());
            }
        } else {
            phases.visit_file(file);
        }
    }
    for (name, file) in &parsed {
        if !is_leaf(name) && *name != THE_OBJECT {
            let mut functions =
                Functions { phases: &phases, self_keeps_it: false, found: Vec::new() };
            functions.visit_file(file);
            let path = |function| format!("{name}::{function}");
            findings.without_object.extend(functions.found.into_iter().map(path));
        }
    }
    findings
}

/// Whether the object's type is named.
#[derive(Default)]
struct Names {
    object: bool,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, name: &'ast syn::Ident) {
        self.object |= name == "MigrationState";
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    // The crate's list of what it shows to others.
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !matches!(item.vis, syn::Visibility::Public(_)) {
            visit::visit_item_use(self, item);
        }
    }
}

/// The structs that say something of the object.
#[derive(Default)]
struct Phases {
    /// Those that must be used.
    all: BTreeSet<String>,
    /// Those that keep the object that they began with.
    with_object: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Phases {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("must_use")) {
            self.all.insert(item.ident.to_string());
        }
        if item.fields.iter().any(|field| keeps_the_object(borrowed(&field.ty))) {
            self.with_object.insert(item.ident.to_string());
        }
    }
}

/// `Begun` or `Arc<MigrationState>`.
fn keeps_the_object(ty: &syn::Type) -> bool {
    counted(ty).is_some_and(is_the_object)
        || last_segment(ty).is_some_and(|segment| segment.ident == "Begun")
}

/// The functions that break the rule.
struct Functions<'a> {
    phases: &'a Phases,
    /// Of the methods that are looked at, whether `self` keeps the object.
    self_keeps_it: bool,
    found: Vec<String>,
}

impl Functions<'_> {
    fn look_at(&mut self, signature: &syn::Signature) {
        let is_method = matches!(signature.inputs.first(), Some(syn::FnArg::Receiver(_)));
        let has_it = is_handed_the_object(signature) || is_method && self.self_keeps_it;
        if self.works_on_a_migration(signature) && !has_it {
            self.found.push(signature.ident.to_string());
        }
    }

    fn works_on_a_migration(&self, signature: &syn::Signature) -> bool {
        let token =
            |ty: &syn::Type| mentions(ty, &|name| name == "BqlGuard" || name == "BqlUnlocked");
        let object = |ty: &syn::Type| mentions(ty, &|name| name == "MigrationState");
        let phase = |name: &str| self.phases.all.contains(name);
        let moves_on = match &signature.output {
            syn::ReturnType::Default => false,
            syn::ReturnType::Type(_, ty) => mentions(ty, &phase),
        };
        moves_on || arguments(signature).any(|ty| token(ty) || object(ty))
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.look_at(&item.sig);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = last_segment(&item.self_ty).map(|segment| segment.ident.to_string());
        self.self_keeps_it = name.is_some_and(|name| self.phases.with_object.contains(&name));
        visit::visit_item_impl(self, item);
        self.self_keeps_it = false;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.look_at(&item.sig);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.look_at(&item.sig);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|what| what == "test")
    };
    attributes.iter().any(is_test)
}

/// The types of the arguments after the receiver.
fn arguments(signature: &syn::Signature) -> impl Iterator<Item = &syn::Type> {
    signature.inputs.iter().filter_map(|argument| match argument {
        syn::FnArg::Typed(argument) => Some(&*argument.ty),
        syn::FnArg::Receiver(_) => None,
    })
}

/// `&MigrationState`, `Arc<MigrationState>`, `&Arc<MigrationState>` or `Begun`.
fn is_handed_the_object(signature: &syn::Signature) -> bool {
    let Some(first) = arguments(signature).next() else { return false };
    let (borrowed, ty) = match first {
        syn::Type::Reference(reference) if reference.mutability.is_none() => {
            (true, &*reference.elem)
        }
        ty => (false, ty),
    };
    (borrowed && is_the_object(ty)) || keeps_the_object(ty)
}

fn is_the_object(ty: &syn::Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "MigrationState")
}

/// `T` of `Arc<T>`.
fn counted(ty: &syn::Type) -> Option<&syn::Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Arc")?;
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// `T` of `&T`, and of `T`.
fn borrowed(ty: &syn::Type) -> &syn::Type {
    match ty {
        syn::Type::Reference(reference) => &reference.elem,
        ty => ty,
    }
}

fn last_segment(ty: &syn::Type) -> Option<&syn::PathSegment> {
    match ty {
        syn::Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Whether a name that `is_meant` occurs in a type; what a closure takes or gives does not
/// count, since it is another function's.
fn mentions(ty: &syn::Type, is_meant: &dyn Fn(&str) -> bool) -> bool {
    struct Mentions<'a> {
        is_meant: &'a dyn Fn(&str) -> bool,
        found: bool,
    }
    impl<'ast> Visit<'ast> for Mentions<'_> {
        fn visit_ident(&mut self, name: &'ast syn::Ident) {
            self.found |= (self.is_meant)(&name.to_string());
        }
        fn visit_parenthesized_generic_arguments(
            &mut self,
            _: &'ast syn::ParenthesizedGenericArguments,
        ) {
        }
    }
    let mut mentions = Mentions { is_meant, found: false };
    mentions.visit_type(ty);
    mentions.found
}

#[test]
fn the_engine_hands_the_object_to_every_function() {
    let files = sources::of(Path::new("../../crates/core/engine/src"));
    for leaf in LEAVES.iter().chain([&THE_OBJECT]) {
        assert!(files.iter().any(|(name, _)| name == leaf), "{leaf} is listed and does not exist");
    }
    let findings = check(&files);
    let excepted = EXCEPTIONS.iter().map(|(function, _)| (*function).to_owned()).collect();
    assert_eq!(
        findings,
        Findings { without_object: excepted, leaves_that_know: BTreeSet::new() },
        "left: what is there; right: the exceptions of this test"
    );
}

fn findings_in(name: &str, text: &str) -> Findings {
    check(&[(name.to_owned(), text.to_owned())])
}

#[test]
fn a_function_that_is_not_handed_the_object_is_found() {
    for (function, signature) in [
        ("with_the_lock", "fn with_the_lock(bql: &BqlGuard<'_>) {}"),
        ("without_it", "fn without_it(&self, thread: &mut BqlUnlocked) {}"),
        ("second", "fn second(channel: &Channel, state: &MigrationState) {}"),
        ("moves_on", "#[must_use] struct Active; fn moves_on() -> Active {}"),
        ("late", "fn late(bql: &BqlGuard<'_>, state: &MigrationState) {}"),
        ("changes", "fn changes(state: &mut MigrationState, bql: &BqlGuard<'_>) {}"),
        ("owns", "fn owns(state: MigrationState, bql: &BqlGuard<'_>) {}"),
        ("method", "impl Active { fn method(self, thread: &mut BqlUnlocked) {} }"),
        (
            "makes",
            "#[must_use] struct Active { begun: Begun }
             impl Active { fn makes(thread: &mut BqlUnlocked) {} }",
        ),
        (
            "without",
            "#[must_use] struct Active { stream: Stream }
             impl Active { fn without(self, bql: &BqlGuard<'_>) {} }",
        ),
        ("promised", "trait Phase { fn promised(self, bql: &BqlGuard<'_>); }"),
        ("inner", "fn outer(state: &MigrationState) { fn inner(bql: &BqlGuard<'_>) {} }"),
    ] {
        let expected = BTreeSet::from([format!("outgoing/new.rs::{function}")]);
        assert_eq!(findings_in("outgoing/new.rs", signature).without_object, expected);
    }
}

#[test]
fn lawful_functions_are_left_alone() {
    let text = "
        #[must_use] pub struct Active(u8);
        impl Active {
            fn new(remaining: u64) -> Self {}
            fn iterate(self, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Self, ()> {}
        }
        #[must_use] pub struct Setup { begun: Begun, stream: Stream }
        impl Setup {
            fn connect(begun: Begun, thread: &mut BqlUnlocked) -> Result<Self, ()> {}
            fn activate(self, thread: &mut BqlUnlocked) -> Result<Active, ()> {}
        }
        #[must_use] pub struct Cleaned { state: Arc<MigrationState> }
        impl Cleaned { fn publish(self, bql: &mut BqlGuard<'_>) {} }
        fn spawn(state: Arc<MigrationState>, bql: &mut BqlGuard<'_>) {}
        fn count(state: &Arc<MigrationState>, run: impl FnOnce(&mut BqlGuard<'_>) -> Active) {}
        struct Loading<'a> { begun: &'a Begun }
        impl Loading<'_> { fn restore(&mut self, thread: &mut BqlUnlocked) -> Result<(), ()> {} }
        fn bytes(pages: u64) -> Result<u64, ()> {}
        #[cfg(test)] mod tests { fn helper(bql: &BqlGuard<'_>) {} }
    ";
    assert_eq!(findings_in("outgoing/new.rs", text), Findings::default());
    assert_eq!(findings_in("state.rs", "fn new() -> Result<(), ()> {}"), Findings::default());
    assert_eq!(findings_in("lib.rs", "pub use state::MigrationState;"), Findings::default());
}

#[test]
fn a_leaf_that_names_the_object_is_found() {
    let knows = findings_in("memory/block.rs", "fn f(state: &crate::state::MigrationState) {}");
    assert_eq!(knows.leaves_that_know, BTreeSet::from(["memory/block.rs".to_owned()]));
    let imports = findings_in("memory/block.rs", "use crate::state::MigrationState;");
    assert_eq!(imports.leaves_that_know, BTreeSet::from(["memory/block.rs".to_owned()]));
}
