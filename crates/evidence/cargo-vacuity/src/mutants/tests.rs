//! The generator of mutants, as a table: what each operator makes of a declaration.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;

use proc_macro2::TokenStream;

use super::mutant::NotLanded;
use super::{Change, Mutant, Probe, generate, probes};

fn mutants(text: &str) -> Vec<Mutant> {
    generate(Path::new("lib.rs"), text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn names(text: &str) -> Vec<String> {
    let short = |mutant: Mutant| mutant.name().trim_start_matches("lib.rs: ").to_owned();
    mutants(text).into_iter().map(short).collect()
}

/// The tokens of a program.
fn tokens(text: &str) -> String {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    tokens.to_string().replace(' ', "")
}

/// The name of a mutant, a program, and what it becomes, where `{!}` is a body that is gone.
const TABLE: &str = r#"
* public G.a | pub struct G { #[x] a: u8 } | pub struct G { #[x] pub a: u8 }
* public G.0 | pub struct G(pub(crate) ()); | pub struct G(pub ());
* public G::f | pub enum G {} impl G { const fn f(){} } | pub enum G {} impl G { pub const fn f(){} }
* public G::C | pub enum G {} impl G { const C:u8=0; } | pub enum G {} impl G { pub const C:u8=0; }
* public sealed | mod sealed { pub trait S {} } | pub mod sealed { pub trait S {} }
* public S | unsafe trait S {} | pub unsafe trait S {}
* public f | pub(super) fn f() {} | pub fn f() {}
* must-use G | #[must_use = "é"] pub struct G; | pub struct G;
* must-use f | #[must_use] pub fn f() {} | pub fn f() {}
* exhaustive E | #[non_exhaustive] pub enum E { A } | pub enum E { A }
* marker G.0 | struct G<'a, T, U>(PhantomData<Cell<&'a T>>, U);
  | struct G<'a, T, U>(PhantomData<fn() -> (&'a (), *const T,)>, U);
* marker G.m | struct G { m: [*mut (); 0] } | struct G { m: [fn() -> (); 0] }
* clone G | #[cfg(a)] pub struct G<T: ?Sized = u8, const N: usize = 1>(T) where T: X;
  | #[cfg(a)] pub struct G<T: ?Sized = u8, const N: usize = 1>(T) where T: X;
  #[cfg(a)] impl<T: Sized, const N: usize> ::core::clone::Clone for G<T, N> where T: X {
  fn clone(&self) -> Self {!} }
* copy G | #[derive(Clone)] pub struct G<T>(T); | #[derive(Clone)] pub struct G<T>(T);
  impl<T: ::core::marker::Copy> ::core::marker::Copy for G<T> {}
* copy m::G | pub mod m { pub struct G; } | pub mod m { pub struct G; impl ::core::clone::Clone for G {
  fn clone(&self) -> Self {!} } impl ::core::marker::Copy for G {} }
* send G | pub struct G<'a, T: ?Sized>(&'a T); | pub struct G<'a, T: ?Sized>(&'a T);
  unsafe impl<'a, T: ?Sized> ::core::marker::Send for G<'a, T> {}
* sync E | pub enum E {} | pub enum E {} unsafe impl ::core::marker::Sync for E {}
* default E | pub enum E {}
  | pub enum E {} impl ::core::default::Default for E { fn default() -> Self {!} }
* bound T [Sealed] | pub trait T: Sealed {} | pub trait T: {}
* bound T [A] | pub trait T: A + B {} | pub trait T: B {}
* bound T [B] | pub trait T: A + B {} | pub trait T: A + {}
* bound f [T: 'static] | pub fn f<T: Send + 'static>() {} | pub fn f<T: Send +>() {}
* bound f ['a: 'b] | pub fn f<'a: 'b, 'b>() {} | pub fn f<'a:, 'b>() {}
* bound f [T: X] | pub fn f<T>() where T: X, T: Y {} | pub fn f<T>() where T: Sized, T: Y {}
* bound f [x: X] | pub fn f(x: &mut impl X) {} | pub fn f(x: &mut impl Sized) {}
* bound G [T: Send] | pub struct G<T: Send>(T); | pub struct G<T: Sized>(T);
* bound impl Sync for G [T: Send] | unsafe impl<T: Send + ?Sized> Sync for G<T> {}
  | unsafe impl<T: ?Sized> Sync for G<T> {}
* untie G::f ['_] | impl G { pub fn f(&self) -> (&u8, R<'_>) { self.0 } }
  | impl G { pub fn f<'untied>(&self) -> (&'untied u8, R<'untied>) {!} }
* untie f ['a] | pub fn f<'a, T>(x: &'a T) -> impl Fn(&u8) -> &u8 + 'a { g(x) }
  | pub fn f<'untied, 'a, T>(x: &'a T) -> impl Fn(&u8) -> &u8 + 'untied { g(x) }
* untie f ['a of y] | pub fn f<'a>(x: &'a X, y: &'a Y) -> &'a u8 { x.y }
  | pub fn f<'untied, 'a>(x: &'a X, y: &'untied Y) -> &'a u8 {!}
* untie H::f ['g] | impl<'g> H<'g> { pub fn f(self: A<Self>) -> &'g u8 { 0 } }
  | impl<'g> H<'g> { pub fn f<'untied>(self: A<Self>) -> &'untied u8 {!} }
* higher-ranked f [g] | pub fn f<R>(g: impl FnOnce(&mut T<'_>) -> R) -> R { g(t) }
  | pub fn f<'lent, R>(g: impl FnOnce(&'lent mut T<'lent>) -> R) -> R {!}
* higher-ranked f [F] | pub async fn f<F>(g: F) where F: for<'a> Fn(&'a u8) -> &'a u8 { g(t) }
  | pub async fn f<'lent, F>(g: F) where F: Fn(&'lent u8) -> &'lent u8 { g(t) }
* receiver G::f [self] | impl G { pub fn f(&'a mut self) {} } | impl G { pub fn f(&'a self) {!} }
* receiver G::f [self] | impl G { pub fn f(mut self) {} } | impl G { pub fn f(&self) {!} }
* receiver f [x] | pub fn f(mut x: &mut T) {} | pub fn f(mut x: &T) {!}
* unsafe f | pub unsafe extern "C" fn f() {} | pub extern "C" fn f() {!}
"#;

#[test]
fn each_operator_changes_what_it_says_and_nothing_else() {
    for row in TABLE.split("* ").skip(1) {
        let columns: Vec<_> = row.split(" | ").map(str::trim).collect();
        let [name, text, expected] = columns[..] else { panic!("{row}") };
        let found = mutants(text);
        let mutant = found.iter().find(|mutant| mutant.name() == format!("lib.rs: {name}"));
        let mutant = mutant.unwrap_or_else(|| panic!("{name} is not in {:#?}", names(text)));
        let changed = mutant.apply(text).expect("it lands");
        let expected = expected.replace("{!}", "{ ::core::unimplemented!() }");
        assert_eq!(tokens(&changed), tokens(&expected), "{name}");
    }
}

#[test]
fn what_is_permitted_already_or_is_of_tests_has_no_mutant() {
    for text in [
        "#[cfg(test)] pub struct G(u8); #[test] fn f() {} mod tests { pub struct G(u8); }",
        "#[cfg(all(test, x))] mod m { pub struct G(u8); } pub mod n {}",
        "macro_rules! m { () => { pub struct G(u8); } } m!();",
        "pub trait T { fn f(&mut self) -> &u8; }",
        "pub fn f<T: ?Sized + Sized>(x: impl FnOnce(u8)) -> &'static str { x }",
        "impl G { fn f(&mut self) -> &u8 { 0 } pub fn g(self: Pin<&mut Self>) {} }",
        "impl<T: X> Deref for G<T> { fn deref(&self) -> &u8 { &self.0 } }",
    ] {
        assert_eq!(names(text), [""; 0], "{text}");
    }
    for text in [
        "struct G<'a, T>(PhantomData<fn() -> T>, [(); 0], PhantomData<&'a mut ()>);",
        "#[must_use] #[non_exhaustive] struct G; impl G { pub fn f(&mut self) {} }",
    ] {
        assert_eq!(names(text), ["public G"], "{text}");
    }
    let given = "#[derive(Clone, Copy)] pub struct G(pub u8); unsafe impl Send for G {}
        unsafe impl Sync for G {}";
    assert_eq!(names(given), [""; 0]);
    let drops = "#[derive(Default)] pub struct G(u8); impl Drop for G { fn drop(&mut self) {} }";
    assert_eq!(names(drops), ["public G.0", "clone G", "send G", "sync G"]);
}

#[test]
fn names_are_unique_and_survive_a_shift_of_lines() {
    let text = "pub struct G(u8); impl G { #[cfg(a)] fn f() {} #[cfg(not(a))] fn f() {} }";
    let before = names(text);
    assert_eq!(before, names(&format!("#![no_std]\n\n// A line.\n{text}")));
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), before.len());
    assert!(before.contains(&"public G::f [#2]".into()), "{before:?}");
}

#[test]
fn places_are_right_behind_what_the_parser_strips() {
    let text = "\u{feff}#!/usr/bin/env x\r\n// ä\r\npub fn f(x: &mut T) {}";
    let mutant = &mutants(text)[0];
    assert_eq!(mutant.line, 3);
    let expected = text.replace("mut", "").replace("{}", "{ ::core::unimplemented!() }");
    assert_eq!(mutant.apply(text), Ok(expected));
}

#[test]
fn a_mutation_that_did_not_land_is_refused_and_so_is_what_is_no_rust() {
    let text = "pub fn f(x: &mut Ä) {}";
    let good = &mutants(text)[0];
    let with = |changes| Mutant { changes, ..good.clone() }.apply(text);
    let gone = |range, was: &str| Change { range, was: was.into(), replace: String::new() };
    let moved = |range: Range<usize>| Err(NotLanded::Moved(range));
    assert!(good.apply(text).is_ok());
    assert_eq!(with(vec![gone(90..99, "")]), moved(90..99));
    assert_eq!(with(vec![gone(0..18, "")]), moved(0..18));
    assert_eq!(with(vec![gone(0..5, "pub f"), gone(4..5, "f")]), moved(4..5));
    assert_eq!(with(Vec::new()), Err(NotLanded::Same));
    assert!(good.apply(&format!("\n{text}")).is_err());
    let error = generate(Path::new("lib.rs"), "\nfn (").map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.starts_with("line 2")));
}

#[test]
fn a_probe_asks_for_the_trait_for_all_parameters() {
    let text = "pub struct G<T: X = u8>(T);";
    let probes = probes(Path::new("lib.rs"), text).expect("Rust");
    let asked: Vec<_> = probes.iter().map(|probe| &*probe.mutant).collect();
    assert_eq!(asked, ["lib.rs: send G", "lib.rs: sync G"]);
    let (with, ranges) = Probe::insert(&probes, text).expect("in order");
    let asks = "const _: () = { fn has<HasIt: ?Sized + ::core::marker::Send>() {}
        fn probe<T: X>() { has::<G<T>>() } };";
    assert_eq!(tokens(&with[ranges[0].clone()]), tokens(asks));
    assert_eq!(with.len(), text.len() + ranges[0].len() + ranges[1].len());
}

#[test]
fn all_mutants_of_real_sources_land_under_names_of_their_own() {
    let mut seen = BTreeSet::new();
    for folder in ["src", "src/mutants"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for mutant in generate(&path, &text).into_iter().flatten() {
                let changed = mutant.apply(&text).expect("it lands");
                assert!(generate(&path, &changed).is_ok(), "{}: {changed}", mutant.name());
                assert!(seen.insert(mutant.name()), "{} is there twice", mutant.name());
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}
