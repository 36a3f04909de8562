//! A real Chromium, without a window, that looks at a page and answers questions about it.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

/// Debian's name, and those of others.
const BINARIES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Finds Chromium on PATH. Without one, a test that needs it says on standard
/// error that it was skipped; with `LASTREF_REQUIRE_CHROMIUM=1` it fails.
///
/// # Panics
///
/// When there is no Chromium and the environment requires one.
pub fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .flat_map(|directory| BINARIES.map(|binary| directory.join(binary)))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        let required = env::var_os("LASTREF_REQUIRE_CHROMIUM").is_some_and(|value| value == "1");
        assert!(!required, "LASTREF_REQUIRE_CHROMIUM=1 and no {} is on PATH", BINARIES[0]);
        let thread = thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not `eprintln!`: the test harness keeps that from being seen.
        let _ = writeln!(io::stderr(), "{test}: skipped, because no {} is on PATH", BINARIES[0]);
    }
    found
}

/// Which colours the reader prefers.
#[derive(Debug, Clone, Copy)]
pub enum Scheme {
    /// Dark letters on a light page.
    Light,
    /// Light letters on a dark page.
    Dark,
}

/// What Chromium makes of a page.
#[derive(Debug)]
pub struct Seen {
    /// What `question` was answered.
    pub answer: Value,
    /// What came to the console: errors, and what could not be loaded.
    pub console: Vec<String>,
}

/// Loads the file `page` in a frame of this width, and asks it `question` then: the body of a
/// JavaScript function of the page's `window` and `document`, which returns what JSON can say, or a
/// promise of it. Chromium keeps its files in `scratch`.
///
/// # Panics
///
/// When Chromium does not answer, or the question has an error.
pub fn ask(
    binary: &Path,
    scratch: &Path,
    page: &Path,
    width: u32,
    scheme: Scheme,
    question: &str,
) -> Seen {
    // A window cannot be as narrow as a phone; a frame in it can.
    let page = page.canonicalize().expect("a page");
    let around = scratch.join("around.html");
    let text = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\">\n\
         <iframe id=\"frame\" src=\"file://{}\" width=\"{width}\" height=\"900\" style=\"border: 0\"></iframe>\n\
         <pre id=\"answer\"></pre>\n<script>\n\
         const question = (window, document) => {{ {question} }};\n\
         addEventListener(\"load\", () => {{\n\
           const frame = document.getElementById(\"frame\").contentWindow;\n\
           Promise.resolve(question(frame, frame.document)).then((answer) => {{\n\
             const text = encodeURIComponent(JSON.stringify(answer));\n\
             document.getElementById(\"answer\").textContent = text;\n\
           }});\n\
         }});\n</script>\n",
        page.display()
    );
    fs::write(&around, text).expect("a page around it");
    let scheme = match scheme {
        Scheme::Dark => 0,
        Scheme::Light => 1,
    };
    let output = Command::new(binary)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        // Pages of one folder are strangers to each other otherwise.
        .arg("--allow-file-access-from-files")
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", scratch.join("profile").display()))
        .args(["--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("file://{}", around.display()))
        .stdin(Stdio::null())
        .output()
        .expect("a Chromium that starts");
    let (dom, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer =
        dom.split_once("<pre id=\"answer\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let answer = answer.map(|(answer, _)| decoded(answer)).unwrap_or_default();
    Seen {
        answer: serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("an answer ({error}: {answer:?}) in {dom}\n{log}")),
        console: log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
    }
}

/// `decodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).expect("two digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}
