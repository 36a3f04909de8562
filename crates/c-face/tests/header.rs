//! `include/lastref.h` is what cbindgen makes of this crate's functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
         LASTREF_WRITE_HEADER=1 cargo test -p lastref-c-face --test header"
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
