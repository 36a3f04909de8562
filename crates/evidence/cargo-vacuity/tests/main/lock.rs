//! What was believed, and what a later run says of it.

use crate::{Package, ends};

const LIBRARY: &str = "//! ```compile_fail\n//! let t = lib::Token::make();\n//! t.close();\n\
    //! t.close();\n//! ```\n/// A token.\npub struct Token;\n\
    impl Token {\n/// Makes.\npub fn make() -> Token { Token }\n/// Closes.\npub fn close(self) {}\n}\n";

#[test]
fn a_case_may_move_and_may_not_fail_for_another_reason() {
    let package = Package::new(LIBRARY, &[]);
    ends(&package.vacuity(&["--locked"]), 1, "a new case");
    ends(&package.vacuity(&["--bless"]), 0, "");
    ends(&package.vacuity(&["--locked"]), 0, "");
    package.write("src/lib.rs", &format!("//! More text.\n//!\n{LIBRARY}"));
    ends(&package.vacuity(&["--locked"]), 0, "");

    let renamed = LIBRARY.replace("pub fn close", "pub fn shut");
    package.write("src/lib.rs", &renamed);
    ends(&package.vacuity(&["--locked"]), 1, "it was guards and is void");

    // It is still guarded, by another error about another thing.
    let other = LIBRARY.replace("pub fn close", "fn close");
    package.write("src/lib.rs", &other);
    ends(&package.vacuity(&["--locked"]), 1, "for another reason");

    package.write("src/lib.rs", "");
    ends(&package.vacuity(&["--locked"]), 1, "the case is gone");
}

/// The paths of more compilers, each beside its `rustdoc`, separated by colons.
const OTHERS: &str = "VACUITY_OTHER_COMPILERS";

#[test]
fn what_was_believed_holds_for_other_compilers() {
    let Ok(others) = std::env::var(OTHERS) else {
        return eprintln!("skipped: {OTHERS} names no compilers");
    };
    let package = crate::check::all_programs();
    ends(&package.vacuity(&["--bless"]), 0, "");
    for rustc in std::env::split_paths(&others) {
        let mut command = package.command(&["--locked"]);
        command.env("RUSTC", &rustc).env("RUSTDOC", rustc.with_file_name("rustdoc"));
        ends(&command.output().unwrap(), 0, "guard");
    }
}

#[test]
fn a_lock_of_a_later_version_is_refused() {
    let package = Package::new(LIBRARY, &[("vacuity.lock", "version = 2\n")]);
    ends(&package.vacuity(&["--locked"]), 2, "version 2");
}
