//! The command line: what is wrong usage, what cannot be used, and what a signal does.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use test_support::address::{Address, Transport};
use test_support::program::Program;
use test_support::site::Site;
use test_support::wait;

use crate::support::lastref::{
    assert_failed, assert_reported, error_line, json, lastref, run, signal as send_signal,
};

/// A RAM file that is more than a socket holds.
const MEMORY: u64 = 8 << 20;

#[test]
fn wrong_usage_is_told_on_standard_error_with_exit_2() {
    const RECEIVE: [&str; 3] = ["receive", "--ram", "ram"];
    const DEMO: [&str; 1] = ["demo"];
    let cases: Vec<(&[&str], &[&str], &str)> = vec![
        (&["teleport"], &[], "teleport"),
        (&DEMO, &["now"], "now"),
        (&DEMO, &["--faster"], "--faster"),
        (&DEMO, &["--memory", ""], "--memory"),
        (&DEMO, &["--memory", "64X"], "64X"),
        (&DEMO, &["--memory", "0"], "multiple of 4096"),
        (&DEMO, &["--memory", "4095"], "multiple of 4096"),
        (&DEMO, &["--memory", "1.5G"], "1.5G"),
        (&DEMO, &["--memory", "99999999999999999999"], "99999999999999999999"),
        (&DEMO, &["--dirty-rate", "fast"], "fast"),
        (&DEMO, &["--dirty-rate=-1"], "-1"),
        (&DEMO, &["--max-bandwidth", "16MB"], "16MB"),
        (&DEMO, &["--downtime-limit", "2000001"], "2000000"),
        (&DEMO, &["--downtime-limit", "soon"], "soon"),
        (&DEMO, &["--transport", "rdma"], "rdma"),
        (&DEMO, &["--memory"], "--memory"),
        (&["send"], &[], "--ram"),
        (&["send", "--ram", "ram"], &[], "URI"),
        (&["send"], &["unix:a"], "--ram"),
        (&RECEIVE, &["unix:a"], "--memory"),
        (&RECEIVE, &["--memory", "64M"], "URI"),
        (&RECEIVE, &["--memory", "much", "unix:a"], "much"),
        (&RECEIVE, &["--memory", "64M", "unix:a", "unix:b"], "unix:b"),
    ];
    let site = Site::new(0);
    for (start, rest, word) in cases {
        let finished = run(start.iter().chain(rest), site.scratch());
        finished.assert_exit(2);
        assert_eq!(finished.stdout, "", "nothing there from {finished}");
        assert!(finished.stderr.contains(word), "{word:?} expected in {finished}");
        assert!(finished.stderr.contains("--help"), "the way to help expected in {finished}");
        assert!(!finished.stderr.contains("panicked"), "no panic expected in {finished}");
    }
}

#[test]
fn a_uri_that_is_none_is_wrong_usage() {
    let site = Site::new(0);
    let uris = [
        "",
        "here",
        "unix:",
        "tcp:4444",
        "tcp:host:",
        "tcp:host:65536",
        "fd:x",
        "fd:-1",
        "exec:",
        "file:ram,offset=x",
        "rdma:host:1",
    ];
    for uri in uris {
        for command in ["send", "receive"] {
            let mut arguments = vec![command, "--ram", "ram", "--", uri];
            if command == "receive" {
                arguments.splice(3..3, ["--memory", "64M"]);
            }
            let finished = run(&arguments, site.scratch());
            finished.assert_exit(2);
            assert_eq!(finished.stdout, "", "nothing there from {finished}");
            assert!(finished.stderr.contains(&format!("'{uri}'")), "{uri:?} in {finished}");
        }
    }
}

#[test]
fn help_names_what_is_built_and_nothing_else() {
    let site = Site::new(0);
    let help = |arguments: &[&str]| {
        let finished = run(arguments, site.scratch());
        finished.assert_exit(0);
        assert_eq!(finished.stderr, "", "nothing there from {finished}");
        finished.stdout
    };
    let words = |text: &str| -> Vec<String> {
        text.split_whitespace()
            .map(|word| word.trim_matches(|c: char| ",.[]`".contains(c)).to_owned())
            .collect()
    };
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["--help"],
            &["demo", "send", "receive", "inspect", "diff", "extract", "--help", "--version"],
        ),
        (
            &["demo", "--help"],
            &[
                "--memory",
                "--dirty-rate",
                "--downtime-limit",
                "--max-bandwidth",
                "--transport",
                "--channels",
                "--dirty-log",
                "--json",
                "--report",
                "unix",
                "tcp",
                "write-protect",
                "software",
            ],
        ),
        (
            &["send", "--help"],
            &[
                "--ram",
                "--prealloc",
                "--channels",
                "--zero-page-detection",
                "--multifd-flush-after-each-section",
                "--json",
                "<URI>",
                "unix:PATH",
            ],
        ),
        (
            &["receive", "--help"],
            &["--ram", "--memory", "--prealloc", "--channels", "--json", "<URI>", "exec:COMMAND"],
        ),
        (&["inspect", "--help"], &["<FILE>", "--json"]),
        (&["diff", "--help"], &["<FILE>"]),
        (
            &["extract", "--help"],
            &["<FILE>", "<BLOCK|SECTION>", "<OUTPUT>", "--offset", "--length", "--instance"],
        ),
    ];
    for (arguments, named) in cases {
        let text = help(arguments);
        for word in named {
            assert!(words(&text).iter().any(|w| w == word), "{word} expected in\n{text}");
        }
        for word in ["destination", "machine", "--record", "--qmp"] {
            let command = text.lines().any(|line| line.trim_start().starts_with(word));
            assert!(!command, "no {word} expected in\n{text}");
        }
    }
    assert!(help(&["--version"]).starts_with("lastref "));
}

#[test]
fn a_ram_file_that_cannot_be_used_is_told_with_its_path_and_the_cause() {
    let site = Site::new(MEMORY);
    let at = |name: &str| site.scratch().join(name);
    fs::write(at("empty"), "").expect("a file");
    fs::create_dir(at("folder")).expect("a folder");
    let made = Command::new("mkfifo").arg(at("pipe")).status().expect("a command");
    assert!(made.success(), "a named pipe");
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    let cases = [
        ("missing", "No such file or directory"),
        ("empty", "empty"),
        ("folder", "not a plain file"),
        ("pipe", "not a plain file"),
        ("socket", "not a plain file"),
        ("empty/ram", "Not a directory"),
    ];
    for (name, cause) in cases {
        let path = at(name);
        let path = path.to_str().expect("a path in UTF-8");
        let finished = run(["send", "--ram", path, "unix:nobody"], site.scratch());
        assert_failed(&finished, &[path, cause]);
        assert_eq!(finished.stdout, "", "nothing there from {finished}");
    }
}

#[test]
fn a_uri_that_cannot_be_reached_is_told_with_the_cause() {
    let site = Site::new(MEMORY);
    fs::write(site.source_ram(), vec![1; MEMORY as usize]).expect("a RAM file");
    let path = |name: &str| site.scratch().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("file"), "").expect("a file");
    let refused = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let refused = format!("tcp:{}", refused.expect("a free port"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken_uri = format!("tcp:{}", taken.local_addr().expect("its address"));
    let long = format!("unix:{}", path(&"x".repeat(200)));
    let (missing, missing_folder) = (path("missing"), path("missing/stream"));

    const MISSING: &str = "No such file or directory";
    let send: Vec<(String, &str)> = vec![
        (format!("unix:{missing}"), MISSING),
        (format!("unix:{}", path("file")), "refused"),
        (long.clone(), "too long"),
        (refused, "refused"),
        (format!("file:{missing_folder}"), MISSING),
        (format!("file:{}", site.scratch().display()), "directory"),
    ];
    let receive: Vec<(String, &str)> = vec![
        (format!("unix:{missing_folder}"), MISSING),
        (format!("unix:{}", path("file")), "in use"),
        (long, "shorter"),
        (taken_uri, "in use"),
        (format!("file:{missing}"), MISSING),
        (format!("file:{}", site.scratch().display()), "directory"),
    ];
    let (source, destination) = (site.source_ram(), site.destination_ram());
    let source = source.to_str().expect("a path in UTF-8");
    let destination = destination.to_str().expect("a path in UTF-8");
    for (uri, cause) in &send {
        let finished = run(["send", "--json", "--ram", source, uri], site.scratch());
        assert_failed(&finished, &[uri, *cause]);
        assert_reported(&finished, "failed");
    }
    for (uri, cause) in &receive {
        let arguments = ["receive", "--json", "--ram", destination, "--memory", "8M", uri];
        let finished = run(arguments, site.scratch());
        // A file that opens and does not read fails as a stream, and that has no URI.
        let place = if uri.ends_with(&*site.scratch().to_string_lossy()) { "byte 0" } else { uri };
        assert_failed(&finished, &[place, *cause]);
        assert_reported(&finished, "failed");
        assert!(site.destination_files().is_empty(), "left by {finished}");
    }
    assert_eq!(fs::read(path("file")).expect("the file"), b"", "a file is no socket to remove");
}

#[test]
fn a_command_that_fails_is_told_with_its_status() {
    let site = Site::new(MEMORY);
    fs::write(site.source_ram(), vec![1; MEMORY as usize]).expect("a RAM file");
    let source = site.source_ram();
    let source = source.to_str().expect("a path in UTF-8");
    let finished =
        run(["send", "--json", "--ram", source, "exec:cat >/dev/null; exit 3"], site.scratch());
    assert_failed(&finished, &["the command ended with exit status: 3"]);
    assert_reported(&finished, "failed");
}

#[test]
fn a_descriptor_that_is_not_open_is_told_before_anything_else() {
    let site = Site::new(MEMORY);
    fs::write(site.source_ram(), vec![1; MEMORY as usize]).expect("a RAM file");
    let (source, destination) = (site.source_ram(), site.destination_ram());
    let source = source.to_str().expect("a path in UTF-8");
    let destination = destination.to_str().expect("a path in UTF-8");
    let commands: [&[&str]; 2] = [
        &["send", "--ram", source, "fd:99"],
        &["receive", "--ram", destination, "--memory", "8M", "fd:99"],
    ];
    for arguments in commands {
        let finished = run(arguments, site.scratch());
        assert_failed(&finished, &["fd:99", "Bad file descriptor"]);
    }
    assert!(site.destination_files().is_empty(), "{:?}", site.destination_files());
}

#[test]
fn a_signal_ends_the_wait_for_a_source_and_leaves_nothing() {
    for (signal, transport) in [
        (Signal::INT, Transport::Unix),
        (Signal::TERM, Transport::Unix),
        (Signal::HUP, Transport::Unix),
        (Signal::INT, Transport::Tcp),
    ] {
        let site = Site::new(MEMORY);
        let address = Address::new(transport, &site);
        let ram = site.destination_ram();
        let ram = ram.to_str().expect("a path in UTF-8");
        let arguments = ["receive", "--json", "--ram", ram, "--memory", "8M", &address.uri()];
        let mut receiver =
            Program::start("lastref-receive", lastref(arguments, None), site.scratch());
        address.wait_for_listener(&mut receiver);
        send_signal(&receiver, signal);

        let finished = receiver.finish();
        assert_failed(&finished, &["cancelled"]);
        assert_reported(&finished, "cancelled");
        assert!(site.destination_files().is_empty(), "left by {finished}");
        if let Address::Unix(path) = address {
            assert!(!path.exists(), "the socket is gone");
        }
    }
}

#[test]
fn a_signal_ends_sending_to_a_peer_that_reads_nothing() {
    for signal in [Signal::INT, Signal::TERM] {
        let site = Site::new(MEMORY);
        fs::write(site.source_ram(), vec![1; MEMORY as usize]).expect("a RAM file");
        let path = site.scratch().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let (ram, uri) = (site.source_ram(), format!("unix:{}", path.display()));
        let arguments = ["send", "--json", "--ram", ram.to_str().expect("UTF-8"), &uri];
        let mut sender = Program::start("lastref-send", lastref(arguments, None), site.scratch());
        let _peer = wait::until(
            &mut sender,
            |_| listener.accept().ok(),
            |sender| format!("a connection from {}", sender.report()),
        );
        send_signal(&sender, signal);

        let finished = sender.finish();
        assert_failed(&finished, &["cancelled"]);
        assert_reported(&finished, "cancelled");
        assert_eq!(error_line(&finished), "cancelled");
    }
}

#[test]
fn what_was_sent_to_a_file_is_received_from_it_with_every_option() {
    let site = Site::new(MEMORY);
    let ram: Vec<u8> = (0..MEMORY).map(|byte| (byte / 4096 % 3) as u8).collect();
    fs::write(site.source_ram(), &ram).expect("a RAM file");
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (source, destination) = (text(&site.source_ram()), text(&site.destination_ram()));
    let stream = format!("file:{},offset=512", text(&site.scratch().join("stream")));
    let sent = run(["send", "--prealloc", "--json", "--ram", &source, &stream], site.scratch());
    sent.assert_exit(0);
    let received = run(
        ["receive", "--prealloc", "--json", "--memory", "8192K", "--ram", &destination, &stream],
        site.scratch(),
    );
    received.assert_exit(0);
    for finished in [&sent, &received] {
        let report = json(finished);
        assert_eq!(report["status"], "completed");
        assert_eq!(report["ram"]["total"], MEMORY);
        assert!(report["ram"]["normal"].as_u64() > report["ram"]["duplicate"].as_u64(), "{report}");
    }
    assert!(fs::read(&destination).expect("the RAM file") == ram, "every byte");
}

#[test]
fn a_ram_file_of_a_broken_page_is_told_with_its_path_and_the_cause() {
    let site = Site::new(0);
    for bytes in [1, 4095, 4097, 4103, 5000] {
        let path = site.scratch().join(format!("odd{bytes}"));
        fs::write(&path, vec![1; bytes]).expect("a file");
        let path = path.to_str().expect("UTF-8");
        let to = format!("file:{}", site.scratch().join("stream").display());
        let finished = run(["send", "--ram", path, &to], site.scratch());
        assert_failed(&finished, &[path, &bytes.to_string()]);
    }
}

#[test]
fn what_fails_before_there_is_a_migration_is_one_json_object_too() {
    let site = Site::new(0);
    let finished = run(["send", "--json", "--ram", "/nonexistent", "unix:a"], site.scratch());
    assert_failed(&finished, &["/nonexistent"]);
    assert_reported(&finished, "failed");
}

#[test]
fn an_option_of_demo_without_that_word_gets_a_tip_and_no_hidden_command_is_suggested() {
    let site = Site::new(0);
    let finished = run(["--memory", "3G"], site.scratch());
    finished.assert_exit(2);
    assert!(finished.stderr.contains("tip: `lastref demo --memory 3G`"), "{finished}");
    assert!(!finished.stderr.contains('\u{1b}'), "colours where there is no terminal: {finished}");
    let finished = run(["--fast"], site.scratch());
    finished.assert_exit(2);
    assert!(!finished.stderr.contains("tip: `lastref demo"), "{finished}");
    let finished = run(["dem"], site.scratch());
    finished.assert_exit(2);
    assert!(finished.stderr.contains("'demo'\n"), "{finished}");
    assert!(!finished.stderr.contains("destination"), "{finished}");
}

#[test]
fn the_exit_status_is_the_machines_when_the_result_cannot_be_printed() {
    let site = Site::new(MEMORY);
    fs::write(site.source_ram(), vec![1; MEMORY as usize]).expect("a RAM file");
    let ram = site.source_ram();
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" >/dev/full"#, env!("CARGO_BIN_EXE_lastref")]);
    shell.args(["send", "--json", "--ram", ram.to_str().expect("UTF-8"), "exec:cat >/dev/null"]);
    let finished = Program::start("full", shell, site.scratch()).finish();
    finished.assert_exit(0);
    assert!(finished.stderr.contains("cannot print the result: No space left"), "{finished}");
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_so() {
    let site = Site::new(MEMORY);
    let address = Address::new(Transport::Unix, &site);
    let ram = site.destination_ram();
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_lastref")).stdin(std::process::Stdio::null());
    command.args(["receive", "--json", "--ram", ram.to_str().expect("UTF-8"), "--memory", "8M"]);
    command.arg(address.uri());
    let mut receiver = Program::start("receive", command, site.scratch());
    address.wait_for_listener(&mut receiver);
    send_signal(&receiver, Signal::HUP);
    // One that it hears, after the one that it does not.
    fs::write(site.source_ram(), vec![1; MEMORY as usize]).expect("a RAM file");
    let source = site.source_ram();
    run(["send", "--ram", source.to_str().expect("UTF-8"), &address.uri()], site.scratch())
        .assert_exit(0);
    receiver.finish().assert_exit(0);
}

#[test]
fn a_signal_while_memory_is_prepared_leaves_no_file() {
    let site = Site::new(0);
    let ram = site.destination_ram();
    let uri = format!("unix:{}", site.scratch().join("socket").display());
    let ram = ram.to_str().expect("UTF-8");
    let arguments = ["receive", "--prealloc", "--ram", ram, "--memory", "2G", &uri];
    let mut receiver = Program::start("receive", lastref(arguments, None), site.scratch());
    let folder = site.destination_ram().parent().expect("a folder").to_owned();
    wait::until(
        &mut receiver,
        |receiver| has_a_file_in(receiver, &folder).then_some(()),
        |receiver| receiver.report(),
    );
    send_signal(&receiver, Signal::INT);
    let finished = receiver.finish();
    assert_failed(&finished, &["cancelled"]);
    assert!(site.destination_files().is_empty(), "{finished}");
}

/// Whether the program has a file of `folder` open, one without a name too.
fn has_a_file_in(program: &Program, folder: &Path) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fd", program.id())) else { return false };
    descriptors
        .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
        .any(|file| file.parent() == Some(folder))
}

#[test]
fn a_receiver_that_is_killed_leaves_no_file() {
    let site = Site::new(MEMORY);
    let address = Address::new(Transport::Unix, &site);
    let ram = site.destination_ram();
    let ram = ram.to_str().expect("UTF-8");
    let arguments = ["receive", "--prealloc", "--ram", ram, "--memory", "8M", &address.uri()];
    let mut receiver = Program::start("receive", lastref(arguments, None), site.scratch());
    address.wait_for_listener(&mut receiver);
    receiver.kill();
    assert!(site.destination_files().is_empty(), "{:?}", site.destination_files());
}
