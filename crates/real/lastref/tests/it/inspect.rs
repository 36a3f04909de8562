//! `lastref inspect`: streams by hand, from a file and through a pipe, whole and not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use test_support::site::Site;
use test_support::stream::Stream;

use crate::support::lastref::lastref;

/// Runs `inspect` on a file, with `bytes` on standard input if that is what it reads.
pub(crate) fn inspect(arguments: &[&str], file: &Path, through_pipe: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastref"));
    command.arg("inspect").args(arguments);
    if !through_pipe {
        return command.arg(file).output().expect("lastref runs");
    }
    let mut cat = Command::new("cat").arg(file).stdout(Stdio::piped()).spawn().expect("cat runs");
    let pipe = cat.stdout.take().expect("its output is a pipe");
    let output = command.arg("-").stdin(pipe).output().expect("lastref runs");
    cat.wait().expect("cat ends");
    output
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// The JSON object that `inspect` prints of a file.
pub(crate) fn object(file: &Path) -> Value {
    serde_json::from_str(&stdout(&inspect(&["--json"], file, false))).expect("one JSON object")
}

#[test]
fn a_file_and_a_pipe_are_shown_alike() {
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    fs::write(&file, Stream::whole().bytes).expect("a file");
    for arguments in [&[] as &[&str], &["--json"]] {
        let read = inspect(arguments, &file, false);
        let piped = inspect(arguments, &file, true);
        assert_eq!(stdout(&read), stdout(&piped));
        assert_eq!((stderr(&read), stderr(&piped)), (String::new(), String::new()));
        assert_eq!((read.status.code(), piped.status.code()), (Some(0), Some(0)));
    }
    let object = object(&file);
    assert_eq!(object["format"], "plain");
    assert_eq!(object["whole"], true);
    assert_eq!(object["ram"][0]["pages"], 2);
    assert_eq!(object["ram"][0]["holes"], 14);
}

#[test]
fn damage_is_told_after_all_that_is_whole_with_exit_1() {
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    let stream = Stream::begun().pages().part(2).raw(b"\0\0\0\0\0\0\x04\0").bytes;
    fs::write(&file, &stream).expect("a file");
    let shown = inspect(&[], &file, false);
    assert_eq!(shown.status.code(), Some(1));
    let at = stream.len() - 8;
    let reason = format!("at byte {at}, in section \"ram\" (id 2): expected a RAM record");
    assert!(stderr(&shown).contains(&reason), "{}", stderr(&shown));
    assert!(stdout(&shown).contains(&reason), "{}", stdout(&shown));
    assert!(stdout(&shown).contains("RAM block \"ram\": 64.00 KiB, 2 pages"), "{}", stdout(&shown));
    let object = object(&file);
    assert_eq!(object["whole"], false);
    assert_eq!(object["error-offset"], at);
}

#[test]
fn what_is_no_stream_or_not_there_is_an_error() {
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    fs::write(&file, b"\x7fELF and more").expect("a file");
    let shown = inspect(&[], &file, false);
    assert_eq!(shown.status.code(), Some(1));
    assert!(stderr(&shown).contains("at byte 0: expected file magic"), "{}", stderr(&shown));
    let shown = inspect(&[], &site.scratch().join("none"), false);
    assert_eq!(shown.status.code(), Some(1));
    assert!(stderr(&shown).contains("none as a stream"), "{}", stderr(&shown));
    let shown = inspect(&[], site.scratch(), false);
    assert!(stderr(&shown).contains("directory"), "{}", stderr(&shown));
    let usage = lastref(["inspect"], None).output().expect("lastref runs");
    assert_eq!(usage.status.code(), Some(2));
}
