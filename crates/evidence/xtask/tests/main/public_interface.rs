//! `public-api.txt` of each published library is its public interface, so that a change of the
//! interface is seen as a difference of that file. The impls of `Send` and `Sync` are in it,
//! the negative ones too.
//!
//! The interface is what rustdoc writes as JSON. That is not stable, but the compiler is pinned,
//! and with `RUSTC_BOOTSTRAP` it says for the named crates what a nightly would. Features are the
//! default ones.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;

use public_api::tokens::Token;
use public_api::{Builder, PublicApi, PublicItem};
use xtask::workspace::{cargo, library, published, root};

/// Where rustdoc leaves the JSON.
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/public-interface");

/// Traits that no stable program can name.
const UNSTABLE: [&str; 3] = ["Freeze", "UnsafeUnpin", "StructuralPartialEq"];

#[test]
fn the_interfaces_are_the_committed_ones() {
    let packages = published().expect("the workspace");
    let libraries: Vec<_> =
        packages.iter().filter_map(|package| Some((package, library(package)?))).collect();
    assert!(libraries.iter().any(|(_, library)| *library == "biglock"), "{libraries:?}");

    let mut arguments = vec!["doc", "--lib", "--no-deps", "--locked", "--target-dir", TARGET];
    arguments.extend(libraries.iter().flat_map(|(package, _)| ["-p", &package.name]));
    let names: Vec<&str> = libraries.iter().map(|(_, library)| *library).collect();
    let as_json = "-Z unstable-options --output-format json";
    let environment = [("RUSTC_BOOTSTRAP", &*names.join(",")), ("RUSTDOCFLAGS", as_json)];
    cargo(&root(), &arguments, &environment);

    let write = std::env::var_os("LASTREF_WRITE_INTERFACE").is_some();
    let mut stale = String::new();
    for (package, library) in libraries {
        let json = format!("{TARGET}/doc/{library}.json");
        let interface = Builder::from_rustdoc_json(json).omit_blanket_impls(true).build();
        let is = text(&interface.expect("the JSON of the pinned rustdoc"));
        let path = package.manifest_path.with_file_name("public-api.txt");
        if write {
            fs::write(&path, &is).expect("the interface can be written");
        }
        let was = fs::read_to_string(&path).unwrap_or_default();
        if is != was {
            let difference = difference(&was, &is);
            write!(stale, "{}:\n{difference}", path).expect("text");
        }
    }
    assert!(
        stale.is_empty(),
        "the public interface is another one; if it shall be, write it anew with\n\
         LASTREF_WRITE_INTERFACE=1 cargo test -p xtask --test main public_interface\n{stale}"
    );
}

/// An item a line, each under what it belongs to.
fn text(interface: &PublicApi) -> String {
    let mut text = String::new();
    let mut depths = HashMap::new();
    for item in interface.items() {
        let depth = item.parent_id().map_or(0, |parent| depths[&parent] + 1);
        depths.insert(item.id(), depth);
        let item = line(item);
        let of = |name: &str| item.contains(&format!("core::marker::{name} for "));
        if !UNSTABLE.into_iter().any(of) {
            writeln!(text, "{:1$}{item}", "", 2 * depth).expect("text");
        }
    }
    text
}

/// An item as public-api prints it, with the colon that it leaves out of a bound on an associated
/// type.
fn line(item: &PublicItem) -> String {
    let mut line = String::new();
    let mut follows_a_name = false;
    for token in item.tokens() {
        let is_name = matches!(token, Token::Identifier(_));
        if follows_a_name && is_name {
            line.push_str(": ");
        }
        line.push_str(token.text());
        follows_a_name = is_name;
    }
    line
}

/// The lines that only one of two texts has.
fn difference(was: &str, is: &str) -> String {
    let [was, is] = [was, is].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = was.difference(&is).map(|line| format!("- {line}\n"));
    let new = is.difference(&was).map(|line| format!("+ {line}\n"));
    gone.chain(new).collect()
}
