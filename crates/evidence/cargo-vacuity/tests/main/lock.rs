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

#[test]
fn a_lock_of_a_later_version_is_refused() {
    let package = Package::new(LIBRARY, &[("vacuity.lock", "version = 2\n")]);
    ends(&package.vacuity(&["--locked"]), 2, "version 2");
}
