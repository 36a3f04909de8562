//! Nothing that is generated in `docs/` is stale, and every page's code is run.

use std::error::Error;
use std::fs;

#[test]
fn no_drawing_is_stale() -> Result<(), Box<dyn Error>> {
    for (file, drawing) in xtask::drawings()? {
        let is = fs::read_to_string(&file).unwrap_or_default();
        assert!(is == drawing, "run `cargo xtask book`, which draws {}", file.display());
    }
    Ok(())
}

/// The pages as they are and as they would be made.
#[test]
fn no_part_of_a_page_is_stale() -> Result<(), Box<dyn Error>> {
    let mut stale = Vec::new();
    for page in xtask::pages(&xtask::workspace::root().join("docs"))? {
        if xtask::refilled(&page)? != fs::read_to_string(&page)? {
            stale.push(page);
        }
    }
    assert!(stale.is_empty(), "run `cargo xtask book`, which makes anew: {stale:#?}");
    Ok(())
}

#[test]
fn every_page_with_rust_code_is_among_the_examples() -> Result<(), Box<dyn Error>> {
    let docs = xtask::workspace::root().join("docs");
    for page in xtask::pages(&docs)? {
        let name = page.strip_prefix(&docs)?.to_string_lossy().into_owned();
        let has_code = fs::read_to_string(&page)?.lines().any(|line| line.starts_with("```rust"));
        let is_run = xtask::examples::PAGES.contains(&name.as_str());
        assert!(is_run || !has_code, "add docs/{name} to crates/evidence/xtask/src/examples.rs");
    }
    Ok(())
}
