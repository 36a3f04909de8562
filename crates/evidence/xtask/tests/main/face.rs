//! What `docs/face.md` names as the counterpart of QEMU's functions is there.

use std::error::Error;
use std::fs;
use std::path::Path;

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn every_counterpart_of_the_inside_is_in_the_file_it_links_to() -> Outcome {
    let docs = xtask::workspace::root().join("docs");
    let page = fs::read_to_string(docs.join("face.md"))?;
    let (_, inside) = page.split_once("\n## The inside\n").ok_or("no such heading")?;
    let links = links(inside);
    assert!(links.len() > 60, "only {} counterparts", links.len());
    let missing = links.iter().filter(|(item, file)| !defines(&docs.join(file), item));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
    Ok(())
}

#[test]
fn an_item_is_looked_for_by_its_last_name_and_its_type() {
    let file = xtask::workspace::root().join("crates/core/engine/src/outgoing/active.rs");
    assert!(defines(&file, "Active::iterate"));
    assert!(!defines(&file, "Active::iter"), "a part of a name");
    assert!(!defines(&file, "Switchover::iterate"), "another type");
    assert!(!defines(&file, "Switchover"), "used there and not defined");
}

/// The code that is a link's text, and where it leads.
fn links(text: &str) -> Vec<(&str, &str)> {
    let starts = text.split("[`").skip(1);
    starts
        .filter_map(|link| {
            let (item, rest) = link.split_once("`](")?;
            Some((item, rest.split_once(')')?.0))
        })
        .collect()
}

/// Whether a source defines `name`, or `Type::name` and the type's implementation.
fn defines(file: &Path, item: &str) -> bool {
    let Ok(source) = fs::read_to_string(file) else { return false };
    let (of, name) = item.split_once("::").map_or((None, item), |(of, name)| (Some(of), name));
    let kinds = ["fn", "struct", "enum", "trait", "const"];
    let begins = |start: &str| {
        let continues = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        source.match_indices(start).any(|(at, _)| !continues(&source[at + start.len()..]))
    };
    kinds.iter().any(|kind| begins(&format!("{kind} {name}")))
        && of.is_none_or(|of| {
            let types = ["impl ", "impl<'a> ", "trait "];
            types.iter().any(|what| begins(&format!("{what}{of}")))
        })
}
