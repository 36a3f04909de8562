//! The boundary between C and Rust: no panic crosses it, and a wrong use prints a message and
//! aborts.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a function that C calls.
pub(crate) fn entry<R>(function: &str, body: impl FnOnce() -> R) -> R {
    // A panic aborts the process, so no code sees half-changed state.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(_) => die(function, "Rust code panicked, and C cannot be unwound"),
    }
}

/// Prints a message and aborts the process, because the call of `function` has no safe result.
pub(crate) fn die(function: &str, what: &str) -> ! {
    // If standard error is closed, the message is lost.
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
