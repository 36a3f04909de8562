//! Verdicts, one for each way in which a case can deceive.

use crate::{Package, ends, lock_file};

const TOKEN: &str = "
/// A token.
pub struct Token(());
impl Token {
    /// Makes one.
    pub fn make() -> Token { Token(()) }
    /// Uses it up.
    pub fn close(self) {}
    /// Returns what is inside.
    pub fn lend(&self) -> &() { &self.0 }
    /// Takes an argument.
    pub fn take(&self, _: u8) {}
}
/// A trait.
pub trait Open { /// Opens.
fn open(&self) {} }
impl Open for Token {}
/// Refuses odd numbers.
pub const fn even<const N: u8>() { const { assert!(N % 2 == 0) } }
/// One of two.
#[macro_export]
macro_rules! same { ($one:expr, $other:expr) => { if true { $one } else { $other } } }
/// A field.
#[macro_export]
macro_rules! field { ($of:expr, $name:ident) => { $of.$name } }
/// Makes tokens by macro.
#[macro_export]
macro_rules! token { ($name:ident) => { let $name = $crate::Token::make(); } }
";

/// A documented program, and the verdict on it.
const PROGRAMS: [(&str, &str, &str); 28] = [
    ("compile_fail", "let t = lib::Token::make();\nt.close();\nt.close();", "guards"),
    ("compile_fail", "let t = lib::Token(());", "guards"),
    ("compile_fail", "lib::Token::make().clone();", "guards"),
    ("compile_fail", "fn send<T: Copy>(_: T) {}\nsend(lib::Token::make());", "guards"),
    (
        "compile_fail",
        "# use lib::Token;\nlet t = Token::make();\nlet l = t.lend();\ndrop(t);\nprintln!(\"{l:?}\");",
        "guards",
    ),
    // Found when code is made, not before.
    ("compile_fail", "lib::even::<3>();", "guards"),
    ("compile_fail", "lib::token!(3);", "guards"),
    ("compile_fail", "struct S;\nlib::field!(S, x);", "guards"),
    ("compile_fail", "lib::same!(\n    1,\n    \"one\"\n);", "guards"),
    ("compile_fail,E0382", "let t = lib::Token::make();\nt.close();\nt.close();", "guards"),
    ("compile_fail,E0599", "lib::Token::make().shut();", "guards"),
    ("compile_fail,E0499", "let t = lib::Token::make();\nt.close();\nt.close();", "void"),
    ("compile_fail", "let t = Token::make();\nt.close();\nt.close();", "void"),
    ("compile_fail", "let t = lib::Token::make()\nt.close(;", "void"),
    ("compile_fail", "lib::Token::make().shut();", "void"),
    ("compile_fail", "lib::Token::make().take();", "void"),
    ("compile_fail", "lib::Token::make().open();", "void"),
    ("compile_fail", "let t: lib::Token;\nt.close();", "void"),
    // About std alone, though it names the crate; and one that does not.
    (
        "compile_fail",
        "let t = lib::Token::make();\nlet s = String::new();\ndrop(s);\ndrop(s);",
        "void",
    ),
    ("compile_fail", "let s = String::new();\ndrop(s);\ndrop(s);", "void"),
    ("compile_fail", "lib::Token::make().shut();\nlet t: u8 = lib::Token::make();", "masked"),
    // One code twice, and one of the two is a slip.
    ("compile_fail", "lib::Token::make().shut();\nlib::Token::make().clone();", "masked"),
    ("compile_fail", "use tokyo::Runtime;", "not-ours"),
    // What a comment says: where the error is, what is not there, and what it is about.
    (
        "compile_fail",
        "let t = lib::Token::make();\nt.close();\nt.close();\n\n\nlib::Token::make(); // fails",
        "void",
    ),
    ("compile_fail", "lib::Token::make().shut(); // there is no method to shut it", "guards"),
    ("compile_fail", "// `Open` is not imported.\nlib::Token::make().open();", "guards"),
    ("compile_fail", "// Too many arguments.\nlib::Token::make().take(1, 2);", "guards"),
    (
        "compile_fail",
        "// The token is dropped by then.\nlet t: &u8 = { let t = lib::Token::make(); t.lend() };",
        "void",
    ),
];

/// A package with all of the programs.
pub(crate) fn all_programs() -> Package {
    let mut library = String::from("//! A library.\n");
    for (words, program, _) in PROGRAMS {
        library += &format!("//!\n//! ```{words}\n");
        library.extend(program.lines().map(|line| format!("//! {line}\n")));
        library += "//! ```\n";
    }
    Package::new(&(library + TOKEN), &[])
}

#[test]
fn each_program_gets_its_verdict() {
    let package = all_programs();
    let findings = package.findings(&[]);
    assert_eq!(findings.len(), PROGRAMS.len());
    for (finding, (words, program, verdict)) in findings.iter().zip(PROGRAMS) {
        assert_eq!(finding["verdict"], verdict, "{words}\n{program}\n{finding:#}");
    }
}

#[test]
fn an_error_has_the_line_of_the_source() {
    let doc = "/// Text.\n///\n/// ```compile_fail\n/// # use lib::Token;\n/// let t = Token(());\n/// ```\npub fn f() {}\n";
    // The second error is found in the library: the case stands for its place.
    let of_library =
        "/// Text.\n/// ```compile_fail\n/// lib::even::<3>();\n/// ```\npub fn g() {}\n";
    let package = Package::new(&format!("//! Top.\n{doc}{of_library}{TOKEN}"), &[]);
    let findings = package.findings(&[]);
    let lines = |at: usize| (&findings[at]["line"], &findings[at]["errors"][0]["line"]);
    assert_eq!(lines(0), (&4.into(), &6.into()));
    assert_eq!(findings[0]["errors"][0]["expression"], "Token");
    assert_eq!(lines(1), (&10.into(), &10.into()));
}

#[test]
fn a_repair_is_proposed_only_if_it_works_and_says_what_then() {
    let docs = "//! ```compile_fail\n//! let t = Token(());\n//! ```\n//!\n\
        //! ```compile_fail\n//! let t = Token::make();\n//! t.close();\n//! ```\n//!\n\
        //! ```compile_fail\n//! let t = Nowhere::make();\n//! ```\n";
    let package = Package::new(&format!("{docs}{TOKEN}"), &[]);
    let findings = package.findings(&[]);
    let repair = |at: usize| &findings[at]["repair"];
    assert_eq!(repair(0)["then"], "guards", "{:#}", findings[0]);
    assert_eq!(repair(0)["add"][0], "use lib::Token;");
    assert_eq!(repair(1)["then"], "compiles", "{:#}", findings[1]);
    assert!(repair(2).is_null(), "{:#}", findings[2]);
    ends(&package.vacuity(&[]), 1, "COMPILES");
}

#[test]
fn a_test_is_not_taken_for_another_of_the_same_line() {
    // rustdoc counts lines from the first attribute, which is here the first line of this file.
    let lib = "#[macro_use] mod passing; passing!(\"Passes.\");\n/// ```compile_fail\n\
        /// lib::Token(());\n/// ```\npub fn fails() {}\n";
    let passing = "macro_rules! passing { ($first:literal) => {\n#[doc = $first]\n/// ```\n\
        /// let _ = 1;\n/// ```\npub fn passes() {}\n} }\n";
    let package = Package::new(&format!("{lib}{TOKEN}"), &[("src/passing.rs", passing)]);
    let findings = package.findings(&[]);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((&findings[0]["verdict"], &findings[0]["line"]), (&"guards".into(), &2.into()));
}

#[test]
fn a_test_that_rustdoc_counts_and_orders_otherwise_is_one_case() {
    // The blank line is no line to rustdoc, and it moves `extern crate` up.
    let lib = "#[doc = \"First.\"]\n\n/// ```compile_fail\n/// let one = 1;\n\
        /// # extern crate lib;\n/// lib::Token(());\n/// ```\npub fn f() {}\n";
    let findings = Package::new(&format!("{lib}{TOKEN}"), &[]).findings(&[]);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((&findings[0]["verdict"], &findings[0]["line"]), (&"guards".into(), &3.into()));
}

#[test]
fn documentation_under_one_of_two_conditions_is_one_case() {
    let one = "#[cfg_attr(not(feature = \"extra\"), doc = \"```compile_fail\")]\n";
    let other = "#[cfg_attr(feature = \"extra\", doc = \"```ignore\")]\n";
    for fence in [[one, other], [other, one]] {
        let lib = format!("{}/// lib::Token(());\n/// ```\npub fn f() {{}}\n", fence.concat());
        let findings = Package::new(&format!("{lib}{TOKEN}"), &[]).findings(&[]);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!(findings[0]["verdict"], "guards", "{findings:#?}");
    }
}

#[test]
fn a_feature_that_a_case_lacks_is_proposed_if_it_helps() {
    let docs = "//! ```compile_fail\n//! lib::Extra(());\n//! ```\n//!\n\
        //! ```compile_fail\n//! let extra = lib::Extra::default();\n//! ```\n";
    let extra =
        "/// More.\n#[cfg(feature = \"extra\")]\n#[derive(Default)]\npub struct Extra(());\n";
    let package = Package::new(&format!("{docs}{TOKEN}{extra}"), &[]);
    let findings = package.findings(&[]);
    for (finding, then) in findings.iter().zip(["guards", "compiles"]) {
        assert_eq!(finding["verdict"], "void", "{finding:#}");
        assert_eq!(finding["repair"]["add"][0], "--features lib/extra", "{finding:#}");
        assert_eq!(finding["repair"]["then"], then, "{finding:#}");
    }
    // With it they are what they would be.
    let findings = package.findings(&["--features", "extra"]);
    assert_eq!(
        (&findings[0]["verdict"], &findings[1]["verdict"]),
        (&"guards".into(), &"compiles".into())
    );
}

#[test]
fn what_no_run_reaches_is_told() {
    let docs = "/// ```compile_fail\n/// lib::Token(());\n/// ```\n";
    let package = Package::new(
        &format!("{TOKEN}{docs}#[cfg(feature = \"extra\")]\npub fn extra() {{}}\n"),
        &[
            ("src/main.rs", &format!("{docs}fn main() {{}}")),
            ("tests/ui/lost.rs", "fn main() { lib::Token(()); }"),
            ("tests/ui/lost.stderr", "error"),
        ],
    );
    let findings = package.findings(&[]);
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding["verdict"] == "never-run"), "{findings:#?}");
    let behind = findings.iter().find(|finding| finding["otherwise"] == "guards").unwrap();
    assert!(behind["why"].as_str().unwrap().contains("feature = \"extra\""), "{behind:#}");
    let with = package.findings(&["--features", "extra"]);
    assert_eq!(with.iter().filter(|finding| finding["verdict"] == "guards").count(), 1);
}

#[test]
fn documentation_from_macros_and_files_is_found() {
    let library = "#![doc = include_str!(\"../README.md\")]\n\
        macro_rules! made { ($doc:literal) => { #[doc = $doc] pub fn made() {} } }\n\
        made!(\"```compile_fail\\nlet t = lib::Token(());\\n```\");\n";
    let readme = "# Title\n\n```rust,compile_fail\nlib::Token(());\n```\n";
    let package = Package::new(&format!("{library}{TOKEN}"), &[("README.md", readme)]);
    let findings = package.findings(&[]);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding["verdict"] == "guards"), "{findings:#?}");
    assert_eq!((&findings[0]["file"], &findings[0]["line"]), (&"README.md".into(), &3.into()));
}

#[test]
fn trybuild_compiles_what_the_tool_judges() {
    let package = Package::new(
        TOKEN,
        &[
            ("Cargo.lock", &lock_file()),
            (
                "tests/ui.rs",
                "#[test] fn ui() { trybuild::TestCases::new().compile_fail(\"tests/ui/*.rs\"); }",
            ),
            ("tests/ui/private.rs", "fn main() { lib::Token(()); }"),
            ("tests/ui/renamed.rs", "fn main() { lib::Token::make().shut(); }"),
        ],
    );
    let manifest = "[package]\nname = 'lib'\nversion = '0.1.0'\nedition = '2024'\n\
        [dev-dependencies]\ntrybuild = '1'\n[workspace]\n";
    package.write("Cargo.toml", manifest);
    let findings = package.findings(&[]);
    let verdicts: Vec<_> =
        findings.iter().map(|one| (one["file"].as_str().unwrap(), &one["verdict"])).collect();
    let expected =
        [("tests/ui/private.rs", &"guards".into()), ("tests/ui/renamed.rs", &"void".into())];
    assert_eq!(verdicts, expected);
    assert!(!package.0.path().join("wip").exists(), "trybuild's proposals are left");
}

#[test]
fn a_runner_that_starts_the_compiler_itself_is_found() {
    // As ui_test does, with the compiler that the environment names.
    let runner = "/* like ui_test */ #[test] fn ui() { let rustc = std::env::var(\"RUSTC\").unwrap(); let deps = \
        std::env::current_exe().unwrap(); let deps = deps.parent().unwrap(); let lib = \
        std::fs::read_dir(deps).unwrap().map(|one| one.unwrap().path()).find(|path| \
        path.to_string_lossy().ends_with(\".rlib\")).unwrap(); \
        let said = std::process::Command::new(rustc).args([\"--edition=2024\", \"--extern\"])\
        .arg(format!(\"lib={}\", lib.display())).arg(\"tests/ui/a.rs\").status(); \
        assert!(!said.unwrap().success()); }";
    let package = Package::new(
        TOKEN,
        &[("tests/ui.rs", runner), ("tests/ui/a.rs", "fn main() { lib::Token(()); }")],
    );
    let findings = package.findings(&[]);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0]["verdict"], "guards", "{findings:#?}");
}

#[test]
fn a_library_that_does_not_build_is_no_library_without_cases() {
    let package = Package::new("//! ```compile_fail\n//! lib::f(1);\n//! ```\npub fn f( {}", &[]);
    ends(&package.vacuity(&[]), 2, "error");
    let package = Package::new(TOKEN, &[]);
    ends(&package.vacuity(&["-p", "nobody"]), 2, "no package `nobody`");
    ends(&package.vacuity(&[]), 0, "0 cases");
}
