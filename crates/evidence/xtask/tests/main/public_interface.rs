//! `public-api.txt` of each published library is its public interface, so that a change of the
//! interface is seen as a difference of that file. The impls of auto traits are in it, the negative
//! ones too.
//!
//! The interface is what rustdoc writes as JSON. That is not stable, but the compiler is pinned,
//! and with `RUSTC_BOOTSTRAP` it says for the named crates what a nightly would. Features are the
//! default ones.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::fs;

use public_api::tokens::Token;
use public_api::{Builder, PublicApi, PublicItem};
use xtask::workspace::{cargo, library, published, root};

/// Where rustdoc leaves the JSON.
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/public-interface");

/// Traits that no stable program can name.
const UNSTABLE: [&str; 3] = ["Freeze", "UnsafeUnpin", "StructuralPartialEq"];

/// Standard traits without parameters and without types of their own.
const PLAIN: [&str; 18] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Display",
    "Drop",
    "Eq",
    "Error",
    "Hash",
    "LowerHex",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "RefUnwindSafe",
    "Send",
    "Sync",
    "Unpin",
    "UnwindSafe",
];

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

/// An item a line, each under what it belongs to. The plain traits that a type has under the same
/// bounds are one line, and the functions of a trait are implied by its impl.
fn text(interface: &PublicApi) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut depths = HashMap::new();
    let mut of_a_trait = HashSet::new();
    for item in interface.items() {
        let depth = item.parent_id().map_or(0, |parent| depths[&parent] + 1);
        depths.insert(item.id(), depth);
        let is_implied = item.parent_id().is_some_and(|parent| of_a_trait.contains(&parent));
        let item_line = line(item);
        let indent = " ".repeat(2 * depth);
        let Some(Impl { bounds, negative, path, of }) = Impl::parse(&item_line) else {
            // An impl without a trait and without bounds says nothing that its functions do not.
            if item_line.starts_with("impl ") && !item_line.contains('<') {
                depths.insert(item.id(), depth - 1);
            } else if !is_implied || !item_line.starts_with("pub fn ") {
                lines.push(indent + &item_line);
            }
            continue;
        };
        of_a_trait.insert(item.id());
        let is_standard = ["core::", "alloc::", "std::"].iter().any(|root| path.starts_with(root));
        let name = path.rsplit("::").next().unwrap_or(path);
        if !is_standard || !PLAIN.contains(&name) {
            if !UNSTABLE.contains(&name) {
                lines.push(indent + &item_line);
            }
            continue;
        }
        let (begin, end) = (format!("{indent}impl{bounds} "), format!(" for {of}"));
        let is_plain = |line: &&mut String| {
            let traits = line.strip_prefix(&begin).and_then(|line| line.strip_suffix(&end));
            let is_plain = |name: &str| PLAIN.contains(&name.trim_start_matches('!'));
            traits.is_some_and(|traits| traits.split(" + ").all(is_plain))
        };
        match lines.iter_mut().rev().find(is_plain) {
            Some(line) => line.insert_str(line.len() - end.len(), &format!(" + {negative}{name}")),
            None => lines.push(format!("{begin}{negative}{name}{end}")),
        }
    }
    lines.join("\n") + "\n"
}

/// The impl of a trait, as it is printed.
struct Impl<'a> {
    bounds: &'a str,
    /// `!`, if it says that the type does not have the trait.
    negative: &'a str,
    path: &'a str,
    of: &'a str,
}

impl<'a> Impl<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (head, of) = line.strip_prefix("impl")?.split_once(" for ")?;
        let (bounds, path) = head.split_at(head.rfind("> ").map_or(0, |at| at + 1));
        let path = path.strip_prefix(' ')?;
        let (negative, path) = path.split_at(path.len() - path.trim_start_matches('!').len());
        Some(Impl { bounds, negative, path, of })
    }
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
