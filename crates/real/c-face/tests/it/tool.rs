//! The tools that the tests start. Without one a test says that it is skipped, or fails if it is
//! required.

use std::env;
use std::process::{Command, Stdio};

/// The name of a tool, if it is here.
fn tool(name: &'static str, require: &str) -> Option<&'static str> {
    let version =
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if version.is_ok_and(|status| status.success()) {
        return Some(name);
    }
    let required = env::var_os(require).is_some_and(|value| value == "1");
    assert!(!required, "there is no {name}, and {require}=1 asks for one");
    eprintln!("SKIPPED: there is no {name}");
    None
}

/// The C compiler.
pub(crate) fn compiler() -> Option<&'static str> {
    tool("cc", "LASTREF_REQUIRE_CC")
}

/// The C++ compiler.
pub(crate) fn c_plus_plus() -> Option<&'static str> {
    tool("c++", "LASTREF_REQUIRE_CC")
}

/// valgrind.
pub(crate) fn valgrind() -> Option<&'static str> {
    tool("valgrind", "LASTREF_REQUIRE_VALGRIND")
}
