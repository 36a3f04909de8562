//! Mutants: which are caught, by whom, and when one proves nothing.

use serde_json::Value;

use crate::{Package, ends};

const LIBRARY: &str = "//! ```compile_fail\n//! let t = lib::Token::make();\n//! t.close();\n\
    //! t.close();\n//! ```\n//!\n\
    //! ```compile_fail\n//! let a = lib::Token::make();\n//! a.clone();\n//! nothing();\n//! ```\n\
    #![deny(missing_docs)]\n\
    /// A token.\npub struct Token(std::rc::Rc<u8>);\n\
    impl Token {\n    /// Makes.\n    pub fn make() -> Token { Token(std::rc::Rc::new(1)) }\n\
    /// Closes.\n    pub fn close(self) {}\n}\n";

fn fate<'v>(tried: &'v Value, mutant: &str) -> &'v Value {
    let tried = tried["tried"].as_array().unwrap();
    let found = tried.iter().find(|one| one["mutant"].as_str().unwrap().contains(mutant));
    &found.unwrap_or_else(|| panic!("{mutant}: {tried:#?}"))["fate"]
}

#[test]
fn a_mutant_is_caught_by_a_case_that_guards_or_survives() {
    let package = Package::new(LIBRARY, &[]);
    let tried = package.json(&["mutate"]);
    assert!(fate(&tried, "receiver")["caught"].as_str().unwrap().contains("src/lib.rs"));
    // The second case would catch it, and is red for two reasons: so it never was believed.
    assert_eq!(fate(&tried, "clone"), "survives");
    // What has a destructor cannot be `Copy`.
    assert!(fate(&tried, "copy")["void"].as_str().unwrap().contains("E0204"), "{tried:#}");
    assert_eq!(tried["cases"], 1);
    ends(&package.vacuity(&["mutate"]), 1, "it survives");

    // The sources are as they were, and a second run knows the answers.
    let journal = package.0.path().join("target/vacuity");
    assert_eq!(std::fs::read_to_string(package.0.path().join("src/lib.rs")).unwrap(), LIBRARY);
    assert_eq!(
        std::fs::read_to_string(journal.join("0/workspace/src/lib.rs")).unwrap(),
        LIBRARY,
        "a copy is left changed"
    );
    assert_eq!(package.json(&["mutate"])["tried"], tried["tried"]);
}

#[test]
fn survivors_are_explained_and_explanations_explain() {
    let package = Package::new(LIBRARY, &[]);
    let explained = "[[survives]]\nmutants = '*'\nwhy = 'it is a test'\n";
    package.write("vacuity.toml", explained);
    ends(&package.vacuity(&["mutate"]), 0, "survive");
    package.write("vacuity.toml", &format!("{explained}[[survives]]\nmutants = 'x*'\nwhy = 'y'\n"));
    ends(&package.vacuity(&["mutate"]), 1, "no survivor is called `x*`");
}

#[test]
fn a_mutant_that_another_case_catches_is_not_caught_by_the_named_one() {
    let second = LIBRARY.replace("//! nothing();\n", "");
    let package = Package::new(&second, &[]);
    let mutant = "src/lib.rs: clone Token";
    for (case, caught) in [("src/lib.rs", false), ("src/lib.rs #2", true)] {
        package.write("vacuity.toml", &format!("[[caught]]\nmutant = '{mutant}'\nby = '{case}'\n"));
        let tried = package.json(&["mutate", "--only", "clone Token"]);
        assert_eq!(fate(&tried, "clone")["caught"].is_string(), caught, "{tried:#}");
    }
}

#[test]
fn a_limit_leaves_the_rest_for_the_next_run() {
    let package = Package::new(LIBRARY, &[]);
    let begun = package.json(&["mutate", "--limit", "0"]);
    let left = begun["left"].as_u64().unwrap();
    assert!(left > 0, "{begun:#}");
    ends(&package.vacuity(&["mutate", "--limit", "0"]), 1, "run it again");
    assert_eq!(package.json(&["mutate"])["left"], 0);
}

#[test]
fn a_mutant_that_is_not_built_is_no_survivor() {
    let library = "#[cfg(feature = \"extra\")]\nmod extra;\n\
        #[cfg(not(feature = \"extra\"))]\npub struct Plain;\n";
    let package = Package::new(library, &[("src/extra.rs", "pub struct Extra(u8);\n")]);
    let tried = package.json(&["mutate"]);
    assert!(fate(&tried, "clone Extra")["absent"].is_string(), "{tried:#}");
    assert_eq!(fate(&tried, "clone Plain"), "survives");
    let tried = package.json(&["mutate", "--features", "extra"]);
    assert_eq!(fate(&tried, "clone Extra"), "survives");
}
