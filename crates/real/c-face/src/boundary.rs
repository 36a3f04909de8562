//! The line between C and Rust: no panic crosses it, and a wrong use ends in a sentence.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a function that C calls.
pub(crate) fn entry<R>(function: &str, body: impl FnOnce() -> R) -> R {
    // Nothing is seen after a panic, so nothing half done is.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(_) => die(function, "Rust code panicked, and C cannot be unwound"),
    }
}

/// Ends the process with a sentence: `function` was called in a way that has no safe answer.
pub(crate) fn die(function: &str, what: &str) -> ! {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "lastref: {function}: {what}");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    const CHILD: &str = "LASTREF_TEST_PANICS";

    #[test]
    fn a_panic_ends_the_process_with_a_sentence_and_does_not_reach_c() {
        if std::env::var_os(CHILD).is_some() {
            super::entry("some_function", || panic!("a bug"));
        }
        let output = Command::new(std::env::current_exe().expect("a test is a program"))
            .args(["a_panic_ends_the_process", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .expect("it starts again");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
        assert!(said.contains("lastref: some_function: Rust code panicked"), "{said}");
    }
}
