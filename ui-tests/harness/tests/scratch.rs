//! A weakening is tried in a copy: what it lets through, what it breaks, and when it is void.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use ui_harness::Suite;
use ui_harness::scratch::{Outcome, Scratch};
use ui_harness::weakening::Declared;

const FILES: [(&str, &str); 12] = [
    ("Cargo.toml", "[workspace]\nresolver = '3'\nmembers = ['library', 'other', 'room']\n"),
    ("library/Cargo.toml", "[package]\nname = 'library'\nedition = '2024'\n"),
    (
        "library/src/lib.rs",
        "#![deny(missing_docs)]\n//! .\n/// .\npub struct Read(u8);\nimpl Read {\n/// .\n\
         pub fn new() -> Self { Read(0) }\n/// .\npub fn read(&self) -> u8 { self.0 }\n}\n",
    ),
    ("other/Cargo.toml", "[package]\nname = 'other'\nedition = '2024'\n"),
    ("other/src/lib.rs", "pub fn other() {}\n"),
    (
        "room/Cargo.toml",
        "[package]\nname = 'room'\nedition = '2024'\n[dependencies]\nlibrary.path = '../library'\n\
         [dev-dependencies]\nother.path = '../other'\n",
    ),
    ("room/src/lib.rs", ""),
    (
        "room/fail/E0599_clone.rs",
        "//! claim: read.one\nfn main() {\nlibrary::Read::new().clone(); //~ E0599 clone\n}\n",
    ),
    ("room/pass/clone.rs", "//! claim: read.one\nfn main() {\nlibrary::Read::new().read();\n}\n"),
    (
        "room/fail/E0433_other.rs",
        "//! claim: read.alone\nfn main() {\nother::other(); //~ E0433 other\n}\n",
    ),
    ("room/pass/other.rs", "//! claim: read.alone\nfn main() {}\n"),
    (
        "suite.toml",
        "toolchain = ''\nclaims = ''\nweakenings = 'weakenings'\ntests = []\nworkspace = '.'\n\
         scratch = ['Cargo.toml', 'library', 'other', 'room']\n\
         [[rooms]]\nfolder = 'room'\nat_least = 1\n",
    ),
];

const WEAKENINGS: &str = "\
[[weakening]]
name = 'copied'
claim = 'read.one'
file = 'library/src/lib.rs'
find = '''/// .
pub struct'''
replace = '''#[derive(Clone)]
pub struct'''

[[weakening]]
name = 'void'
claim = 'read.one'
file = 'library/src/lib.rs'
find = 'self.0'
replace = 'self.1'

[[weakening]]
name = 'breaking'
claim = 'read.one'
file = 'library/src/lib.rs'
find = 'pub fn read'
replace = 'fn read'

[[weakening]]
name = 'seen'
claim = 'read.alone'
edits = [
    { file = 'room/Cargo.toml', find = '[dev-', replace = \"other.path = '../other'\\n[dev-\" },
    { file = 'room/Cargo.toml', find = \"[dev-dependencies]\\nother.path = '../other'\", replace = '' },
]

[[weakening]]
name = 'elsewhere'
claim = 'read.alone'
file = 'other/src/lib.rs'
find = 'pub fn other'
replace = 'pub fn another'
";

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    fs::write(path, text).expect("file");
}

/// What an outcome says, in short.
fn shown(outcome: Outcome) -> String {
    match outcome {
        Outcome::Void(words) => format!("void: {words}"),
        Outcome::BreaksTwins(twins) => format!("breaks {}", twins[0]),
        Outcome::LetsThrough(cases) => {
            let ids: Vec<_> = cases.into_iter().map(|case| case.id).collect();
            format!("lets through [{}]", ids.join(", "))
        }
    }
}

#[test]
fn each_weakening_is_tried_by_itself() {
    let folder = TempDir::new().expect("a folder");
    let workspace = folder.path().canonicalize().expect("a path");
    for (file, text) in FILES {
        write(&workspace, file, text);
    }
    write(&workspace, "weakenings/read.toml", WEAKENINGS);
    let suite = Suite::open(&workspace.join("suite.toml"));
    let scratch = Scratch::new(&suite, &workspace.join("scratch")).expect("it builds");
    assert_eq!(shown(scratch.unweakened()), "lets through []");

    let mut outcomes = Vec::new();
    for weakening in Declared::read(&suite).weakenings {
        outcomes.push(shown(scratch.weakened(&weakening).expect("files")));
    }
    assert_eq!(outcomes[0], "lets through [room/E0599_clone]");
    assert!(outcomes[1].starts_with("void: error[E0609]"), "{}", outcomes[1]);
    let words = "breaks room/pass/clone.rs: it must compile, and does not:\nerror[E0624]: method";
    assert!(outcomes[2].starts_with(words), "{}", outcomes[2]);
    assert_eq!(outcomes[3..], ["lets through [room/E0433_other]", "lets through []"]);
    assert_eq!(shown(scratch.unweakened()), "lets through []", "everything was taken back");
}
