//! Every link of the pages leads somewhere in the tree as it is, without a site and without the
//! network; and the summary lists the pages.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use xtask::workspace::root;
use xtask::{dead, links};

#[test]
fn no_link_of_a_page_is_dead() -> Result<(), Box<dyn Error>> {
    let mut pages = xtask::pages(&root().join("docs"))?;
    pages.push(root().join("README.md"));
    let dead: Vec<String> =
        pages.iter().map(|page| dead(page)).collect::<Result<Vec<_>, _>>()?.concat();
    assert!(dead.is_empty(), "{} dead links:\n{}", dead.len(), dead.join("\n"));
    Ok(())
}

#[test]
fn the_summary_lists_every_page_once() -> Result<(), Box<dyn Error>> {
    let docs = root().join("docs");
    let summary = docs.join("SUMMARY.md");
    let listed: Vec<PathBuf> =
        links(&fs::read_to_string(&summary)?).iter().map(|link| docs.join(&link.to)).collect();
    let once: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    let pages = xtask::pages(&docs)?;
    let unlisted: Vec<_> =
        pages.iter().filter(|page| **page != summary && !once.contains(page)).collect();
    assert!(unlisted.is_empty(), "docs/SUMMARY.md does not list {unlisted:?}");
    Ok(())
}

#[test]
fn dead_links_are_found() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dead-links");
    fs::create_dir_all(&folder)?;
    let page = folder.join("page.md");
    fs::write(
        &page,
        "# Here\n[a](page.md#here) [b](#here) [c](page.md#L1) [d](gone.md)\n\n[e](#gone) ![f](gone.svg)\n",
    )?;
    let found: Vec<String> = dead(&page)?;
    let expected = [":2: page.md#L1: ", ":2: gone.md: ", ":4: #gone: ", ":4: gone.svg: "];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found} is not {expected}");
    }
    Ok(())
}
