//! What is built into the crates and the program has a licence that `deny.toml` allows, and comes
//! from the registry. `cargo deny check` holds it to the same file, and to advisories; this needs no
//! other program.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use spdx::{Expression, ParseMode};
use xtask::workspace;

/// The packages that are built into those of the workspace, for this platform.
fn built_in(metadata: &Metadata) -> BTreeSet<&PackageId> {
    let nodes = || metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let mut waiting: Vec<&PackageId> = metadata.workspace_members.iter().collect();
    let mut found = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !found.insert(id) {
            continue;
        }
        let dependencies = nodes().filter(|node| node.id == *id).flat_map(|node| &node.deps);
        let built = dependencies.filter(|dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
        });
        waiting.extend(built.map(|dependency| &dependency.pkg));
    }
    found
}

#[test]
fn every_dependency_has_an_allowed_licence_and_is_from_the_registry() -> Result<(), Box<dyn Error>>
{
    let deny: toml::Table = fs::read_to_string(workspace::root().join("deny.toml"))?.parse()?;
    let allowed: BTreeSet<&str> = deny["licenses"]["allow"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .collect();
    assert!(allowed.contains("MIT"), "{allowed:?}");

    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = MetadataCommand::new()
        .manifest_path(workspace::root().join("Cargo.toml"))
        .other_options(["--offline", "--filter-platform", &platform].map(str::to_owned))
        .exec()?;
    let built_in = built_in(&metadata);
    let mut looked_at = 0;
    for package in metadata.packages.iter().filter(|package| built_in.contains(&package.id)) {
        let licence = package.license.as_deref().unwrap_or_default();
        let expression = Expression::parse_mode(licence, ParseMode::LAX)
            .map_err(|error| format!("{}: {licence:?}: {error}", package.name))?;
        let is_allowed = expression
            .evaluate(|required| required.license.id().is_some_and(|id| allowed.contains(id.name)));
        assert!(is_allowed, "{} has the licence {licence}, of {allowed:?}", package.name);
        let inside = metadata.workspace_members.contains(&package.id);
        let source = package.source.as_ref().map(|source| source.is_crates_io());
        assert!(inside || source == Some(true), "{} is from elsewhere", package.name);
        looked_at += 1;
    }
    assert!(looked_at > 50, "{looked_at} packages");
    Ok(())
}

#[test]
fn an_expression_is_more_than_its_words() -> Result<(), Box<dyn Error>> {
    let mit = |text: &str| -> Result<bool, spdx::ParseError> {
        let expression = Expression::parse_mode(text, ParseMode::LAX)?;
        Ok(expression.evaluate(|one| one.license.id().is_some_and(|id| id.name == "MIT")))
    };
    assert!(mit("MIT OR GPL-3.0-only")? && !mit("MIT AND GPL-3.0-only")?);
    assert!(!mit("GPL-3.0-only")? && mit("MIT/Apache-2.0")?);
    Ok(())
}
