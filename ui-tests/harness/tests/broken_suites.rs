//! Every complaint is made: small suites that are wrong in one way each.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use ui_harness::compiler::is_pinned;
use ui_harness::weakening::Declared;
use ui_harness::{Complaint, Room, Suite, whole};

const CASE: &str = "\
//! claim: lock.one
use library::Guard;
fn main() {
    let guard = Guard::new();
    guard.read().clone(); //~ E0599 clone
}
";
const TWIN: &str = "\
//! claim: lock.one
use library::Guard;
fn main() {
    let guard = Guard::new();
    guard.read();
}
";
const SNAPSHOT: &str = "\
error[E0599]: no method named `clone` found for struct `Read<'_>` in the current scope
 --> fail/E0599_clone.rs:5:18
  |
5 |     guard.read().clone();
  |                  ^^^^^ method not found in `Read<'_>`
";
const CLAIMS: &str = "# Claims\n\n* `lock.one`: A read cannot\n  be copied.\n";
const WEAKENINGS: &str = "\
[[weakening]]
name = 'reads are Clone'
claim = 'lock.one'
file = 'library.rs'
find = 'struct Read'
replace = '#[derive(Clone)] struct Read'
";
const SUITE: &str = "\
toolchain = 'rust-toolchain.toml'
claims = 'claims'
weakenings = 'weakenings'
tests = ['tests']
workspace = '.'
scratch = []
[[rooms]]
folder = 'room'
at_least = 1
";

/// A suite in a folder of its own, with nothing to complain about.
struct OnDisk(TempDir);

impl OnDisk {
    fn good() -> Self {
        let suite = OnDisk(TempDir::new().expect("a folder"));
        suite
            .write("suite.toml", SUITE)
            .write("library.rs", "struct Read;")
            .write("claims/lock.md", CLAIMS)
            .write("weakenings/lock.toml", WEAKENINGS)
            .write("tests/tokens.rs", "#[test]\nfn a_leak() {}\nfn no_test() {}\n")
            .write("room/fail/E0599_clone.rs", CASE)
            .write("room/fail/E0599_clone.stderr", SNAPSHOT)
            .write("room/pass/clone.rs", TWIN)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn write(self, file: &str, text: &str) -> Self {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("folder");
        fs::write(path, text).expect("file");
        self
    }

    fn remove(self, file: &str) -> Self {
        fs::remove_file(self.path(file)).expect("file");
        self
    }

    /// The good suite with one change in one of its files.
    fn with(file: &str, find: &str, replace: &str) -> Self {
        let good = Self::good();
        let text = fs::read_to_string(good.path(file)).expect("file");
        assert!(text.contains(find), "{file} has {find:?}");
        good.write(file, &text.replacen(find, replace, 1))
    }

    fn complaints(&self) -> Vec<Complaint> {
        let suite = Suite::of_package(self.path("room"));
        let room: Room = suite.room(self.path("room"));
        let mut complaints = whole::room_complaints(&room);
        complaints.extend(whole::snapshot_complaints(&suite, &room));
        complaints.extend(whole::suite_complaints(&suite));
        complaints.extend(Declared::read(&suite).complaints(&suite));
        complaints
    }

    /// There is a complaint about `file` with `words` in it.
    #[track_caller]
    fn complains(&self, file: &str, words: &str) {
        let complaints = self.complaints();
        let made = |it: &Complaint| it.file.ends_with(file) && it.what.contains(words);
        assert!(complaints.iter().any(made), "{file}: {words}, in {complaints:#?}");
    }
}

const IN_CASE: &str = "room/fail/E0599_clone.rs";
const IN_SNAPSHOT: &str = "room/fail/E0599_clone.stderr";
const IN_TWIN: &str = "room/pass/clone.rs";
const IN_CLAIMS: &str = "claims/lock.md";
const IN_WEAKENINGS: &str = "weakenings/lock.toml";

#[test]
fn a_good_suite_has_no_complaints() {
    assert_eq!(OnDisk::good().complaints(), []);
}

#[test]
fn a_malformed_case_is_told_what_to_write() {
    let case =
        |find, replace, words| OnDisk::with(IN_CASE, find, replace).complains(IN_CASE, words);
    case("//! claim: lock.one\n", "", "the first line must be `//! claim: <id of a claim>`");
    case(" //~ E0599 clone", "", "mark the one line at fault");
    case("Guard::new();", "Guard::new(); //~ E0599 new", "and no other");
    case("E0599 clone", "clone", "line 5: write `//~ E0502`");
    case("E0599 clone", "E0599", "line 5: E0599 has many causes: write `//~ E0599 <name>`");
    case("E0599 clone", "E0502", "named E0599 and line 5 is marked E0502");
    case("    guard.read().clone(); ", "    ", "at the end of the line at fault");
    case("fn main() {", "fn main( {", "it is not Rust");
    OnDisk::good().write("room/fail/clone.rs", CASE).complains("fail/clone.rs", "name it `<code>_");
}

#[test]
fn a_snapshot_that_shows_something_else_is_refused() {
    let snapshot = |find, replace, words| {
        OnDisk::with(IN_SNAPSHOT, find, replace).complains(IN_SNAPSHOT, words)
    };
    snapshot("E0599", "E0433", "it shows E0433 and the case is named E0599");
    snapshot("error[E0599]", "error", "it shows nocode and the case is named E0599");
    snapshot("error[E0599]", "warning", "it shows 0 errors");
    snapshot("error", "error[E0425]: cannot find `x`\n\nerror", "it shows 2 errors (E0425, E0599)");
    snapshot(":5:18", ":4:18", "the error is at fail/E0599_clone.rs:4 and the mark is on line 5");
    snapshot("fail/E0599", "src/E0599_not_", "the error is at src/");
    snapshot(" --> fail/E0599_clone.rs:5:18\n", "", "the error has no place");
    snapshot("named `clone`", "named `colne`", "marked `clone` and the message does not name it");
    snapshot("  |", "<<<<<<< HEAD", "merge conflict");
    snapshot("  |", "  ::: $RUST/core/src/clone.rs", "points into the standard library");
    OnDisk::good().remove(IN_SNAPSHOT).complains(IN_SNAPSHOT, "TRYBUILD=overwrite");
}

#[test]
fn the_closing_lines_of_a_failed_build_are_no_errors() {
    let text =
        format!("{SNAPSHOT}\nerror: could not compile `room` (bin) due to 1 previous error\n");
    assert_eq!(OnDisk::good().write(IN_SNAPSHOT, &text).complaints(), []);
}

#[test]
fn a_snapshot_may_quote_the_standard_library_only_with_a_reason() {
    let quoting = format!("{SUITE}\n[quotes_std]\n'room/E0599_clone' = 'the trait is in core'\n");
    let suite = OnDisk::with(IN_SNAPSHOT, "  |", "  ::: $RUST/core").write("suite.toml", &quoting);
    assert_eq!(suite.complaints(), []);
    let idle = OnDisk::good().write("suite.toml", &quoting);
    idle.complains("suite.toml", "room/E0599_clone under `quotes_std` does not quote");
}

#[test]
fn a_twin_stays_close_and_names_what_the_case_names() {
    let twin =
        |find, replace, words| OnDisk::with(IN_TWIN, find, replace).complains(IN_TWIN, words);
    twin("lock.one", "lock.two", "the first line must be `//! claim: lock.one`");
    twin("}", "    // 1\n    // 2\n    // 3\n}", "differs from room/E0599_clone in 4 lines");
    twin("guard.read()", "drop(guard)", "it does not name read, which room/E0599_clone does");
    OnDisk::good().remove(IN_TWIN).complains(IN_TWIN, "write this twin of room/E0599_clone");
}

#[test]
fn names_that_the_case_gives_itself_or_that_do_not_exist_need_no_twin() {
    let case = CASE
        .replace("let guard = Guard::new();", "let own = Some(Guard::new()).unwrap();")
        .replace("guard.read().clone(); //~ E0599 clone", "Read::deep(own.read());")
        .replace("fn main", "use hidden::deeper::{Read, Write}; //~ E0432 hidden\nfn main");
    let twin = TWIN.replace("Guard::new()", "Some(Guard::new()).unwrap()");
    let twin = twin.replace("guard.read()", "deep(guard.read())");
    let snapshot = "error[E0432]: unresolved import `hidden`\n --> fail/E0432_clone.rs:3:5\n";
    let suite = OnDisk::good()
        .remove(IN_CASE)
        .remove(IN_SNAPSHOT)
        .write("room/fail/E0432_clone.rs", &case)
        .write("room/fail/E0432_clone.stderr", snapshot)
        .write(IN_TWIN, &twin);
    assert_eq!(suite.complaints(), []);
}

#[test]
fn every_file_belongs_to_a_case() {
    let orphan = |file: &str| OnDisk::good().write(file, "").complains(file, "belongs to no case");
    orphan("room/fail/E0502_gone.stderr");
    orphan("room/pass/gone.rs");
    OnDisk::good()
        .write("room/fail/deeper/E0599_x.rs", CASE)
        .complains("deeper", "belongs to no case");
}

#[test]
fn an_empty_or_shrunken_room_is_refused() {
    let empty = OnDisk::good().remove(IN_CASE).remove(IN_SNAPSHOT).remove(IN_TWIN);
    empty.complains("room", "it has 0 well-formed cases, and suite.toml says at least 1");
    OnDisk::with("suite.toml", "at_least = 1", "at_least = 2").complains("room", "at least 2");
}

#[test]
fn claims_and_cases_belong_together() {
    let claims =
        |find, replace, words| OnDisk::with(IN_CLAIMS, find, replace).complains(IN_CLAIMS, words);
    claims("lock.one", "lock.two", "lock.two: no case attacks it");
    claims("be copied.", "be copied.\n* `lock.one`: Again.", "two claims of this name");
    claims("lock.one", "face.one", "a claim in this file is named `lock.<name>`");
    claims("`: A read", "` A read", "write a claim as");
    claims("be copied.", "be copied (run time: tokens.rs).", "(run time: <test file>::<test>)");
    OnDisk::with(IN_CLAIMS, "lock.one", "lock.two")
        .complains(IN_CASE, "there is no claim lock.one");
    OnDisk::good().remove(IN_CLAIMS).complains("claims", "there are no claims");
}

#[test]
fn a_claim_shown_at_run_time_has_its_test() {
    let claimed = |test: &str| {
        OnDisk::good()
            .write(IN_CLAIMS, &format!("{CLAIMS}* `lock.leak`: A leak (run time: {test}).\n"))
    };
    assert_eq!(claimed("tokens.rs::a_leak").complaints(), []);
    assert_eq!(claimed("tokens::a_leak").complaints(), []);
    claimed("tokens.rs::another").complains(IN_CLAIMS, "there is no test tokens.rs::another");
    claimed("tokens.rs::no_test").complains(IN_CLAIMS, "there is no test tokens.rs::no_test");
    claimed("other.rs::a_leak").complains(IN_CLAIMS, "there is no test other.rs::a_leak");
}

#[test]
fn a_weakening_applies_in_one_place_and_has_a_claim() {
    let weakening = |find, replace, words| {
        OnDisk::with(IN_WEAKENINGS, find, replace).complains("", words);
    };
    weakening("'struct Read'", "'struct Write'", "the text to find occurs 0 times");
    weakening("'struct Read'", "'t'", "the text to find occurs 2 times");
    weakening("library.rs", "gone.rs", "gone.rs: ");
    weakening("lock.one", "lock.two", "there is no claim lock.two");
    weakening("find =", "fnid =", "unknown field `fnid`");
    weakening("find = 'struct Read'\n", "", "write `file`, `find` and `replace`, or `edits`");
    OnDisk::good()
        .write("weakenings/face.toml", WEAKENINGS)
        .complains("reads are Clone", "two weakenings of this name");
}

#[test]
fn an_unproven_case_exists_and_says_why() {
    let listed = |case: &str, why: &str| {
        let entry = format!("{WEAKENINGS}[[unproven]]\ncase = '{case}'\nwhy = '{why}'\n");
        OnDisk::good().write(IN_WEAKENINGS, &entry)
    };
    assert_eq!(listed("room/E0599_clone", "the language refuses it").complaints(), []);
    listed("room/E0599_clone", "").complains("room/E0599_clone", "say why");
    listed("room/E0599_gone", "?").complains("room/E0599_gone", "there is no such case");
}

#[test]
fn several_edits_of_one_file_apply_one_after_the_other() {
    let edits = "\
[[weakening]]
name = 'reads are Copy'
claim = 'lock.one'
edits = [
    { file = 'library.rs', find = 'struct Read', replace = '#[derive(Copy)] struct Read' },
    { file = 'library.rs', find = 'derive(Copy)', replace = 'derive(Clone, Copy)' },
]
";
    let disk = OnDisk::good().write(IN_WEAKENINGS, edits);
    let suite = Suite::of_package(disk.path("room"));
    let weakenings = Declared::read(&suite).weakenings;
    let edited = weakenings[0].edited(&suite.workspace()).expect("both apply");
    assert_eq!(edited, [("library.rs".into(), "#[derive(Clone, Copy)] struct Read;".to_owned())]);
}

#[test]
fn snapshots_are_not_taken_anew_in_an_automatic_run() {
    assert_eq!(whole::overwriting(Some("overwrite"), None), []);
    assert_eq!(whole::overwriting(Some("overwrite"), Some("false")), []);
    assert_eq!(whole::overwriting(None, Some("true")), []);
    let complaints = whole::overwriting(Some("overwrite"), Some("true"));
    assert!(complaints[0].what.contains("unset TRYBUILD"), "{complaints:?}");
}

#[test]
fn another_compiler_is_refused_with_one_sentence() {
    let toolchain = "[toolchain]\nchannel = \"1.95.0\"\n";
    assert_eq!(is_pinned(toolchain, "rustc 1.95.0 (59807616e 2026-04-14)\n"), Ok(()));
    assert_eq!(
        is_pinned(toolchain, "rustc 1.97.0-nightly (abc 2026-05-19)\n"),
        Err("the snapshots are the words of rustc 1.95.0 and this is rustc 1.97.0-nightly (abc \
             2026-05-19): run the suite with `cargo +1.95.0 test`"
            .to_owned())
    );
}
