//! A C program uses migration from outside: `tests/c`, over both owners of the lock.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::build::{Linked, Owner, program};
use crate::tool::valgrind;

fn run(program: &Path, args: &[&str]) -> Output {
    Command::new(program).args(args).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn works(owner: Owner, linked: Linked) {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = program(owner, linked, folder.path()) else { return };
    let place = folder.path().to_str().expect("a temporary path is text");
    for args in [
        &["life", place][..],
        &["several-threads", place],
        &["peer-goes", place],
        &["end-with-the-lock"],
        &["late"],
        &["late-with-the-lock"],
    ] {
        let output = run(&program, args);
        let said = said(&output);
        assert!(output.status.success(), "{owner:?} {args:?}: {}\n{said}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
    }
    let stream = fs::read(folder.path().join("stream")).expect("it was migrated to");
    assert!(stream.starts_with(b"QEVM\0\0\0\x03"), "a stream of version 3");
}

#[test]
fn a_machine_lives_and_moves_under_the_lock_of_rust_linked_statically() {
    works(Owner::Rust, Linked::Static);
}

#[test]
fn a_machine_lives_and_moves_under_the_lock_of_rust_in_a_shared_library() {
    works(Owner::Rust, Linked::Shared);
}

#[test]
fn a_machine_lives_and_moves_under_the_lock_of_c_linked_statically() {
    works(Owner::C, Linked::Static);
}

#[test]
fn a_machine_lives_and_moves_under_the_lock_of_c_with_a_shared_library() {
    works(Owner::C, Linked::Shared);
}

#[test]
fn valgrind_finds_nothing_in_a_machines_life() {
    if std::env::var("CFLAGS").is_ok_and(|flags| flags.contains("-fsanitize")) {
        eprintln!("SKIPPED: valgrind runs no program that has a sanitizer");
        return;
    }
    let Some(valgrind) = valgrind() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = program(Owner::Rust, Linked::Static, folder.path()) else { return };
    let output = Command::new(valgrind)
        .args(["--tool=memcheck", "--error-exitcode=99"])
        // What is lost, and not what statics keep until the end.
        .args(["--leak-check=full", "--errors-for-leak-kinds=definite"])
        .arg(program)
        // valgrind 3.19 knows no pidfd_open, which waits for the command of exec:.
        .arg("life-without-exec")
        .arg(folder.path())
        .output()
        .expect("valgrind runs");
    let said = said(&output);
    assert!(output.status.success(), "{}\n{said}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
    assert!(said.contains("ERROR SUMMARY: 0 errors"), "{said}");
}

/// Each misuse in a process of its own. Returns what functions were called without the lock.
fn every_misuse_is_told(owner: Owner) -> Option<BTreeSet<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let program = program(owner, Linked::Static, folder.path())?;
    let list = run(&program, &["misuses"]);
    let list = String::from_utf8(list.stdout).expect("a list is text");
    let mut without_lock = BTreeSet::new();
    for case in list.lines().filter(|line| line.contains('\t')) {
        let mut fields = case.split('\t');
        let (Some(name), Some(function), Some(says)) =
            (fields.next(), fields.next(), fields.next())
        else {
            panic!("no case: {case}");
        };
        let output = run(&program, &["misuse", name]);
        let said = said(&output);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{owner:?} {name}: {said}");
        let sentence = format!("lastref: {function}: ");
        let told = said.lines().any(|line| line.starts_with(&sentence) && line.contains(says));
        assert!(told, "{owner:?} {name}: `{sentence}…{says}` is not said: {said}");
        if name.starts_with("no-lock:") {
            without_lock.insert(function.to_owned());
        }
    }
    Some(without_lock)
}

/// The functions of which the header says that they need the lock.
fn need_the_lock() -> BTreeSet<String> {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/lastref.h");
    let header = fs::read_to_string(header).expect("the header is committed");
    let (mut comment, mut found) = (String::new(), BTreeSet::new());
    for line in header.lines() {
        if let Some(text) = line.strip_prefix("//") {
            comment.push_str(text);
            continue;
        }
        if comment.contains("Needs the lock") {
            let name = line.split('(').next().unwrap_or_default();
            let name = name.rsplit([' ', '*']).next().unwrap_or_default();
            found.insert(name.to_owned());
        }
        comment.clear();
    }
    found
}

#[test]
fn every_misuse_of_the_lock_of_rust_ends_the_process_with_a_sentence() {
    let Some(tried) = every_misuse_is_told(Owner::Rust) else { return };
    assert!(tried.len() > 20, "{tried:?}");
    assert_eq!(tried, need_the_lock(), "each function that needs the lock is called without it");
}

#[test]
fn every_misuse_of_the_lock_of_c_ends_the_process_with_a_sentence() {
    let Some(tried) = every_misuse_is_told(Owner::C) else { return };
    assert_eq!(tried, need_the_lock(), "each function that needs the lock is called without it");
}
