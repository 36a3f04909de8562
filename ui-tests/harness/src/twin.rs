//! The third layer: next to each case stands a program that does the same lawfully.
//!
//! If a rename makes a case fail for a new reason, its twin fails too, and that is seen. For
//! this the twin is nearly the same text and names every item that the case names; where the
//! case is about a name that does not exist (or is private), the mark says which.

use std::collections::BTreeSet;
use std::fs;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::case::{claim_of, without_mark};
use crate::{Case, Complaint};

/// How many lines a twin may differ in.
pub const MAY_DIFFER: usize = 3;

/// What is wrong between a case and its twin; whether the twin compiles is not looked at.
pub fn complaints(case: &Case) -> Vec<Complaint> {
    let about = |what: String| Complaint::about(&case.twin, what);
    let Ok(twin) = fs::read_to_string(&case.twin) else {
        return vec![about(format!("write this twin of {}: it does the same lawfully", case.id))];
    };
    let mut complaints = Vec::new();
    if claim_of(&twin) != Some(&case.claim) {
        complaints.push(about(format!("the first line must be `//! claim: {}`", case.claim)));
    }
    let differing = differing_lines(&case.text, &twin);
    if differing > MAY_DIFFER {
        complaints.push(about(format!(
            "it differs from {} in {differing} lines, and {MAY_DIFFER} are allowed: bring the two \
             together, or the twin does not show that nothing but the offence is rejected",
            case.id
        )));
    }
    match missing_names(case, &twin) {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => complaints.push(about(format!(
            "it does not name {}, which {} does: use it lawfully, or, if it cannot be named, add \
             it to the mark",
            missing.into_iter().collect::<Vec<_>>().join(", "),
            case.id
        ))),
        Err(error) => complaints.push(Complaint::about(&case.file, error)),
    }
    complaints
}

/// In how many lines two texts differ; a line that was changed counts once. Marks and
/// indentation do not count.
fn differing_lines(case: &str, twin: &str) -> usize {
    let lines =
        |text| -> Vec<&str> { str::lines(text).map(|line| without_mark(line).trim()).collect() };
    let (case, twin) = (lines(case), lines(twin));
    // cost[i][j]: from the rest of the case at i to the rest of the twin at j.
    let mut cost = vec![vec![0; twin.len() + 1]; case.len() + 1];
    for i in (0..=case.len()).rev() {
        for j in (0..=twin.len()).rev() {
            cost[i][j] = match (case.get(i), twin.get(j)) {
                (None, _) => twin.len() - j,
                (_, None) => case.len() - i,
                (Some(a), Some(b)) if a == b => cost[i + 1][j + 1],
                _ => 1 + cost[i + 1][j].min(cost[i][j + 1]).min(cost[i + 1][j + 1]),
            };
        }
    }
    cost[0][0]
}

/// Names that mean the same wherever Rust is written, so that no change of a library can
/// make a case fail at them.
const PRELUDE: [&str; 17] = [
    "Some", "None", "Ok", "Err", "Option", "Result", "Box", "String", "Vec", "drop", "bool", "str",
    "u8", "u32", "u64", "usize", "i32",
];

/// The names in the case that are not in the twin and could be.
fn missing_names(case: &Case, twin: &str) -> Result<BTreeSet<String>, String> {
    let not_rust = |error| format!("it is not Rust: {error}");
    let mut own = OwnNames::default();
    own.visit_file(&syn::parse_file(&case.text).map_err(not_rust)?);

    let in_case = names(case.text.parse().map_err(|error| format!("it is not Rust: {error}"))?);
    let twin: TokenStream = twin.parse().map_err(|error| format!("its twin: {error}"))?;
    let in_twin: BTreeSet<String> = names(twin).into_iter().map(|(name, _)| name).collect();
    let absent = absent_names(case, &in_case);

    let may_miss = |name: &String| {
        in_twin.contains(name)
            || own.0.contains(name)
            || absent.contains(&name.as_str())
            || PRELUDE.contains(&name.as_str())
    };
    Ok(in_case.iter().map(|(name, _)| name).filter(|name| !may_miss(name)).cloned().collect())
}

/// What a case cannot name, which is its point: the names in its mark, and what follows the
/// first of them on the marked line, for of that the compiler knows nothing.
fn absent_names<'a>(case: &'a Case, in_case: &'a [(String, usize)]) -> Vec<&'a str> {
    let marked: Vec<&str> = case.mark.names.iter().map(String::as_str).collect();
    let on_line = in_case.iter().filter(|(_, line)| *line == case.mark.line);
    let names = on_line.map(|(name, _)| name.as_str());
    let follow = names.skip_while(|name| !marked.contains(name));
    marked.iter().copied().chain(follow).collect()
}

/// The names in `tokens`, each with its line, in the order of the text.
fn names(tokens: TokenStream) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => found.extend(names(group.stream())),
            // A lifetime's or label's name.
            TokenTree::Punct(punct) if punct.as_char() == '\'' => drop(tokens.next()),
            TokenTree::Ident(name) => {
                let text = name.to_string();
                // Keywords do not parse as a name.
                if syn::parse_str::<syn::Ident>(&text).is_ok() {
                    found.push((text, name.span().start().line));
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// The names that a program gives: variables, parameters, and items of its own.
#[derive(Default)]
struct OwnNames(BTreeSet<String>);

impl OwnNames {
    fn add(&mut self, name: &syn::Ident) {
        self.0.insert(name.to_string());
    }
}

impl<'ast> Visit<'ast> for OwnNames {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.add(&pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig.ident);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.add(&item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.add(&item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.add(&item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        item.ident.iter().for_each(|name| self.add(name));
        visit::visit_item_macro(self, item);
    }

    fn visit_use_rename(&mut self, rename: &'ast syn::UseRename) {
        self.add(&rename.rename);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        field.ident.iter().for_each(|name| self.add(name));
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.add(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_type_param(&mut self, parameter: &'ast syn::TypeParam) {
        self.add(&parameter.ident);
        visit::visit_type_param(self, parameter);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        // The functions of a trait's impl are named by the trait.
        if item.trait_.is_none() {
            for member in &item.items {
                if let syn::ImplItem::Fn(function) = member {
                    self.add(&function.sig.ident);
                }
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add(&item.sig.ident);
        visit::visit_trait_item_fn(self, item);
    }
}
