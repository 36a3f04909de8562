//! `include/lastref.h` is what cbindgen makes of this crate's functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tool::{c_plus_plus, compiler};

/// In the order of the header.
const SOURCES: [&str; 9] = [
    "main_loop",
    "error",
    "machine",
    "object",
    "misc",
    "notifier",
    "blocker",
    "command",
    "observer",
];

#[test]
fn the_committed_header_is_the_one_that_cbindgen_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("it parses");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(format!("src/{source}.rs")));
    }
    let mut generated = Vec::new();
    builder.generate().expect("cbindgen understands the crate").write(&mut generated);
    let generated = String::from_utf8(generated).expect("a header is text");

    let path = root.join("include/lastref.h");
    if std::env::var_os("LASTREF_WRITE_HEADER").is_some() {
        fs::write(&path, &generated).expect("the header can be written");
    }
    let committed = fs::read_to_string(&path).expect("the header is committed");
    assert!(
        committed == generated,
        "include/lastref.h is stale; write it anew with\n\
         LASTREF_WRITE_HEADER=1 cargo test -p lastref-c-face header"
    );
}

#[test]
fn every_function_that_c_may_call_is_in_the_header() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = fs::read_to_string(root.join("include/lastref.h")).expect("it is committed");
    let mut exported = BTreeSet::new();
    for entry in fs::read_dir(root.join("src")).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(path).expect("a source is text");
        for function in source.split("#[unsafe(no_mangle)]").skip(1) {
            let (_, name) = function.split_once("fn ").expect("what is exported is a function");
            exported.insert(name.split('(').next().unwrap_or_default().to_owned());
        }
    }
    assert!(exported.len() > 30, "{exported:?}");
    for name in exported {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
}

/// Compiles, pedantically, a file that includes the header. Returns the first error.
fn first_error(compiler: &str, language: &str, standard: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("program");
    let program = "#include \"lastref.h\"\n\
                   bool runs(void);\n\
                   bool runs(void) { return migration_is_running(); }\n";
    fs::write(&file, program).expect("room");
    let output = Command::new(compiler)
        .args(["-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", language])
        .arg(format!("-std={standard}"))
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(&file)
        .output()
        .expect("the compiler starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.lines().find(|line| line.contains("error: ")).map(str::to_owned);
    assert_eq!(output.status.success(), error.is_none(), "{said}");
    error
}

fn is_for(compiler: &str, language: &str, standards: &[&str], older: &[&str]) {
    for standard in standards {
        assert_eq!(first_error(compiler, language, standard), None, "{standard}");
    }
    for standard in older {
        let error = first_error(compiler, language, standard).expect("it is refused");
        assert!(error.ends_with("lastref.h needs C99 or C++11"), "{standard}: {error}");
    }
}

#[test]
fn c99_takes_the_header_without_a_warning_and_c89_is_told_why_not() {
    let Some(compiler) = compiler() else { return };
    is_for(compiler, "c", &["c99", "gnu99", "c11", "gnu11", "c17"], &["c89", "gnu89"]);
}

#[test]
fn c_plus_plus_11_takes_the_header_without_a_warning_and_98_is_told_why_not() {
    let Some(compiler) = c_plus_plus() else { return };
    is_for(compiler, "c++", &["c++11", "gnu++11", "c++17"], &["c++98", "gnu++98"]);
}
