//! `cargo vacuity` over published crates, compared with the verdicts of a person.
//!
//! `docs/vacuity/crates.tsv` pins the crates, and `docs/vacuity/judged.tsv` has the verdicts. A case is
//! *bad* if it is void, masked or not ours; precision and recall are about that. Cases that no runner
//! runs are counted apart.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;
use xtask::workspace::root;

type Done<T> = Result<T, Box<dyn Error>>;

/// Fetches the crates into `folder`, or only those of `names`, runs the tool over each as it is
/// published, and compares.
pub(crate) fn vacuity(folder: &Path, names: &[String]) -> Done<ExitCode> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "-p", "cargo-vacuity"])
        .current_dir(root())
        .status()?;
    if !built.success() {
        return Ok(ExitCode::FAILURE);
    }
    let tool = root().join("target/release/cargo-vacuity");
    fs::create_dir_all(folder.join("json"))?;
    let folder = folder.canonicalize()?;
    for line in fs::read_to_string(root().join("docs/vacuity/crates.tsv"))?.lines() {
        let Some((name, version)) = line.split_once('\t') else { continue };
        if !names.is_empty() && !names.iter().any(|one| one == name) {
            continue;
        }
        let sources = fetched(&folder, name, version)?;
        let output = quiet(&sources, &folder, tool.as_os_str())
            .args(["vacuity", "--json"])
            .stderr(Stdio::inherit())
            .output()?;
        fs::write(folder.join("json").join(format!("{name}.json")), output.stdout)?;
        println!("{name}");
    }
    print!("{}", compared(&folder.join("json"))?);
    Ok(ExitCode::SUCCESS)
}

/// A command with one folder for build output, and the compiler that is asked for here: a crate's own
/// choice of one is not for a comparison.
fn quiet(here: &Path, folder: &Path, program: &std::ffi::OsStr) -> Command {
    let mut command = Command::new(program);
    command.current_dir(here).env("CARGO_TARGET_DIR", folder.join("target"));
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    if let Ok(toolchain) = std::env::var("RUSTUP_TOOLCHAIN") {
        command.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    command
}

/// The sources of a crate, in a workspace of their own.
fn fetched(folder: &Path, name: &str, version: &str) -> Done<PathBuf> {
    let sources = folder.join("src").join(name);
    if sources.is_dir() {
        return Ok(sources);
    }
    // Cargo fetches a package for another one only.
    let fetch = folder.join("fetch");
    drop(fs::remove_dir_all(&fetch));
    fs::create_dir_all(fetch.join("src"))?;
    fs::write(fetch.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"fetch\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n\
         it = {{ package = \"{name}\", version = \"={version}\" }}\n"
    );
    fs::write(fetch.join("Cargo.toml"), manifest)?;
    let vendored = quiet(&fetch, folder, env!("CARGO").as_ref())
        .args(["vendor", "--quiet", "--versioned-dirs", "vendor"])
        .stdout(Stdio::null())
        .status()?;
    if !vendored.success() {
        return Err(format!("cargo cannot fetch {name} {version}").into());
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::rename(fetch.join("vendor").join(format!("{name}-{version}")), &sources)?;
    drop(fs::remove_file(sources.join("Cargo.lock")));
    let manifest = fs::read_to_string(sources.join("Cargo.toml"))?;
    if !manifest.contains("[workspace]") {
        fs::write(sources.join("Cargo.toml"), manifest + "\n[workspace]\n")?;
    }
    Ok(sources)
}

/// A table of a person's verdicts and the tool's.
fn compared(folder: &Path) -> Done<String> {
    let is_bad = |verdict: &str| ["void", "masked", "not-ours"].contains(&verdict);
    let (mut tool, mut cases, mut seconds) = (BTreeMap::new(), 0, 0.0);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(report) = serde_json::from_slice::<Value>(&fs::read(&path)?) else { continue };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let judging = &report["judging"];
        seconds += judging["secs"].as_f64().unwrap_or(0.0);
        seconds += judging["nanos"].as_f64().unwrap_or(0.0) / 1e9;
        for one in report["findings"].as_array().into_iter().flatten() {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let line = one["line"].as_u64().unwrap_or_default().to_string();
            tool.insert([name.clone(), text("file"), line], text("verdict"));
            cases += 1;
        }
    }
    let mut text = String::new();
    let mut pairs: BTreeMap<(String, String), [usize; 2]> = BTreeMap::new();
    for row in fs::read_to_string(root().join("docs/vacuity/judged.tsv"))?.lines().skip(1) {
        let [name, _version, file, line, person, unsure] = row.split('\t').collect::<Vec<_>>()[..]
        else {
            return Err(format!("judged.tsv: {row:?} has other columns").into());
        };
        let Some(verdict) = tool.get(&[name, file, line].map(str::to_owned)) else { continue };
        let count = pairs.entry((person.to_owned(), verdict.clone())).or_default();
        count[usize::from(unsure == "?")] += 1;
        if is_bad(person) != is_bad(verdict) {
            text += &format!(
                "{name} {file}:{line}: {person} by hand {unsure}, {verdict} by the tool\n"
            );
        }
    }
    text += "by hand     by the tool  clear  unsure\n";
    for ((person, verdict), [clear, unsure]) in &pairs {
        text += &format!("{person:<12}{verdict:<13}{clear:>5}{unsure:>8}\n");
    }
    for (what, of) in [("clear cases", 1), ("all cases", 2)] {
        let count = |by_hand: bool, by_tool: bool| -> usize {
            pairs
                .iter()
                .filter(|((person, verdict), _)| person != "never-run" && verdict != "never-run")
                .filter(|((p, v), _)| (is_bad(p), is_bad(v)) == (by_hand, by_tool))
                .map(|(_, counts)| counts[..of].iter().sum::<usize>())
                .sum()
        };
        let (both, tool, person) = (count(true, true), count(false, true), count(true, false));
        let (called, there) = (both + tool, both + person);
        text += &format!("{what}: precision {both}/{called}, recall {both}/{there}\n");
    }
    text +=
        &format!("{cases} cases in {seconds:.1} s: {:.1} a second\n", f64::from(cases) / seconds);
    Ok(text)
}
