//! Files, pipes and commands at either end: what is refused before anything is touched, what is
//! left, and what a terminal sees.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode};
use test_support::address::{Address, Transport};
use test_support::program::{Finished, Program};
use test_support::site::Site;
use test_support::wait;

use crate::support::lastref::{assert_failed, error_line, lastref, run};

const SIZE: usize = 1 << 20;

/// A site with a RAM file, and a stream of it in `stream`.
struct Saved {
    site: Site,
    stream: PathBuf,
}

impl Saved {
    fn new() -> Saved {
        let site = Site::new(SIZE as u64);
        let contents: Vec<u8> = (0..SIZE).map(|byte| (byte / 7 % 251) as u8).collect();
        fs::write(site.source_ram(), contents).expect("a RAM file");
        let stream = site.scratch().join("stream");
        let saved = Saved { site, stream };
        saved.send(&format!("file:{}", saved.stream.display())).assert_exit(0);
        saved
    }

    fn send(&self, uri: &str) -> Finished {
        run(["send", "--ram", text(&self.site.source_ram()), uri], self.site.scratch())
    }

    fn receive(&self, uri: &str) -> Finished {
        let ram = self.site.destination_ram();
        run(["receive", "--ram", text(&ram), "--memory", "1M", uri], self.site.scratch())
    }

    #[track_caller]
    fn assert_received(&self, finished: &Finished) {
        finished.assert_exit(0);
        let (sent, found) = (self.site.source_ram(), self.site.destination_ram());
        assert!(fs::read(sent).expect("RAM") == fs::read(&found).expect("RAM"), "{finished}");
        fs::remove_file(found).expect("a file of ours");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

#[test]
fn what_a_command_does_after_the_stream_does_not_spoil_it() {
    let saved = Saved::new();
    let stream = text(&saved.stream);
    // More than a pipe holds, so that the command dies of our closing it.
    let more = format!("cat {stream}; head -c 2M /dev/zero");
    for command in [&more, &format!("cat {stream}; exit 3"), &format!("cat {stream}; sleep 1000")] {
        saved.assert_received(&saved.receive(&format!("exec:{command}")));
    }
    OpenOptions::new()
        .append(true)
        .open(&saved.stream)
        .and_then(|mut file| file.write_all(&[0; 2 << 20]))
        .expect("a longer file");
    saved.assert_received(&saved.receive(&format!("file:{stream}")));
    saved.assert_received(&saved.receive(&format!("exec:cat {stream}")));
}

#[test]
fn a_command_that_fails_too_early_is_told_with_its_status() {
    let saved = Saved::new();
    let early = format!("exec:head -c 100000 {}; exit 3", saved.stream.display());
    let words = ["the command at the other end ended with exit status: 3", "end of stream"];
    assert_failed(&saved.receive(&early), &words);
    assert_failed(&saved.receive("exec:exit 4"), &["exit status: 4"]);
    assert!(saved.site.destination_files().is_empty());
    assert_failed(&saved.send("exec:head -c 1000 >/dev/null; exit 3"), &["exit status: 3"]);
}

#[test]
fn the_ram_file_is_not_the_streams_by_whatever_name() {
    let saved = Saved::new();
    let ram = saved.site.source_ram();
    let before = fs::read(&ram).expect("RAM");
    let [hard, soft] = ["hard", "soft"].map(|name| ram.with_file_name(name));
    fs::hard_link(&ram, &hard).expect("a link");
    symlink(&ram, &soft).expect("a link");
    for name in [&ram, &hard, &soft] {
        for uri in
            [format!("file:{}", name.display()), format!("file:{},offset=4K", name.display())]
        {
            let both = ["--ram", text(&ram), &uri];
            for arguments in [
                [&["send"][..], &both].concat(),
                [&["receive", "--memory", "1M"][..], &both].concat(),
            ] {
                let finished = run(arguments, saved.site.scratch());
                finished.assert_exit(2);
                assert!(error_line(&finished).ends_with("are the same file"), "{finished}");
                assert!(fs::read(&ram).expect("RAM") == before, "nothing was touched");
            }
        }
    }
    // By its descriptor.
    let file = OpenOptions::new().read(true).write(true).open(&ram).expect("RAM");
    let command = lastref(["send", "--ram", text(&ram), "fd:3"], Some(file.into()));
    Program::start("lastref", command, saved.site.scratch()).finish().assert_exit(2);
    assert!(fs::read(&ram).expect("RAM") == before);
}

#[test]
fn guest_memory_is_its_owners_and_what_exists_keeps_its_mode() {
    let saved = Saved::new();
    assert_eq!(mode(&saved.stream), 0o600, "a new stream");
    let at_offset = saved.site.scratch().join("offset");
    saved.send(&format!("file:{},offset=4K", at_offset.display())).assert_exit(0);
    assert_eq!(mode(&at_offset), 0o600, "a new stream at an offset");
    let (uri, ram) = (format!("file:{}", saved.stream.display()), saved.site.destination_ram());
    saved.receive(&uri).assert_exit(0);
    assert_eq!(mode(&ram), 0o600, "new RAM");
    for kept in [0o600, 0o640, 0o666] {
        for path in [&ram, &saved.stream] {
            fs::set_permissions(path, Permissions::from_mode(kept)).expect("our own file");
        }
        saved.send(&uri).assert_exit(0);
        saved.receive(&uri).assert_exit(0);
        assert_eq!((mode(&ram), mode(&saved.stream)), (kept, kept));
    }
}

#[test]
fn a_ram_file_larger_than_memory_is_sent() {
    let saved = Saved::new();
    let big = saved.site.scratch().join("big");
    // Sparse, and more than any machine that runs this has.
    File::create(&big).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    let arguments = ["send", "--ram", text(&big), "exec:head -c 1000 >/dev/null"];
    // All of it would take too long. That it begins is what is asked here.
    let finished = run(arguments, saved.site.scratch());
    assert!(!error_line(&finished).contains("allocate"), "{finished}");
}

#[test]
fn a_named_pipe_is_waited_at_for_its_writer() {
    let saved = Saved::new();
    let pipe = saved.site.scratch().join("pipe");
    rustix::fs::mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).expect("a pipe");
    let ram = saved.site.destination_ram();
    let uri = format!("file:{}", pipe.display());
    let arguments = ["receive", "--ram", text(&ram), "--memory", "1M", &uri];
    let receiver = Program::start("lastref", lastref(arguments, None), saved.site.scratch());
    // Opening to write waits for a reader, which is there once this returns.
    let mut writer = OpenOptions::new().write(true).open(&pipe).expect("a reader");
    writer.write_all(&fs::read(&saved.stream).expect("the stream")).expect("a reader that reads");
    drop(writer);
    saved.assert_received(&receiver.finish());
}

#[test]
fn what_is_no_plain_file_is_called_by_its_kind() {
    let saved = Saved::new();
    let folder = saved.site.scratch();
    let pipe = folder.join("pipe");
    rustix::fs::mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).expect("a pipe");
    let stream = format!("file:{}", saved.stream.display());
    for (path, kind) in [
        (folder, "it is a directory"),
        (&pipe, "it is a named pipe"),
        (Path::new("/dev/zero"), "it is a character device"),
    ] {
        let sent = run(["send", "--ram", text(path), "exec:cat >/dev/null"], folder);
        assert_failed(&sent, &[text(path), kind]);
        let received = run(["receive", "--ram", text(path), "--memory", "1M", &stream], folder);
        assert_failed(&received, &[text(path), kind]);
    }
}

#[test]
fn a_link_that_leads_to_nothing_yet_leads_to_the_ram() {
    let saved = Saved::new();
    let ram = saved.site.destination_ram();
    let link = saved.site.scratch().join("link");
    symlink(&ram, &link).expect("a link");
    let stream = format!("file:{}", saved.stream.display());
    let arguments = ["receive", "--ram", text(&link), "--memory", "1M", &stream];
    saved.assert_received(&run(arguments, saved.site.scratch()));
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink(), "it stays");
}

#[test]
fn a_file_that_may_not_grow_is_an_error_with_a_sentence_and_leaves_nothing() {
    let saved = Saved::new();
    let place = saved.site.scratch().join("small");
    let limited = |arguments: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"ulimit -f 512 && exec "$0" "$@""#]);
        shell.arg(env!("CARGO_BIN_EXE_lastref")).args(arguments).stdin(Stdio::null());
        Program::start("lastref", shell, saved.site.scratch()).finish()
    };
    let ram = saved.site.source_ram();
    let sent = limited(&["send", "--ram", text(&ram), &format!("file:{}", place.display())]);
    assert_failed(&sent, &["File too large"]);
    assert!(!place.exists(), "nothing half-made");
    // In the middle of a file, nothing is left of one that was not there before.
    let within = format!("file:{},offset=4096", place.display());
    let sent = limited(&["send", "--ram", text(&ram), &within]);
    assert_failed(&sent, &["File too large"]);
    assert!(!place.exists(), "nothing half-made");
    fs::write(&place, "somebody's").expect("a file");
    assert_failed(&limited(&["send", "--ram", text(&ram), &within]), &["File too large"]);
    assert!(place.exists(), "what was there before stays");
    fs::remove_file(&place).expect("the file");
    let stream = format!("file:{}", saved.stream.display());
    let destination = saved.site.destination_ram();
    let received = limited(&["receive", "--ram", text(&destination), "--memory", "1M", &stream]);
    assert_failed(&received, &["File too large"]);
    assert!(saved.site.destination_files().is_empty());
}

#[test]
fn a_place_beyond_every_file_is_refused_before_there_is_one() {
    let saved = Saved::new();
    let ram = saved.site.source_ram();
    let place = saved.site.scratch().join("new");
    for (offset, status) in [("18446744073709551615", 2), ("8E", 2), ("9223372036854775807", 1)] {
        let uri = format!("file:{},offset={offset}", place.display());
        run(["send", "--ram", text(&ram), &uri], saved.site.scratch()).assert_exit(status);
        assert!(!place.exists(), "{offset}");
    }
}

#[test]
fn a_named_pipe_that_nobody_reads_is_called_so() {
    let saved = Saved::new();
    let pipe = saved.site.scratch().join("pipe");
    rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).expect("a named pipe");
    let uri = format!("file:{}", pipe.display());
    let sent = run(["send", "--ram", text(&saved.site.source_ram()), &uri], saved.site.scratch());
    assert_failed(&sent, &["it is a named pipe without a reader"]);
}

#[test]
fn a_second_receiver_at_a_socket_is_refused_while_the_first_lives() {
    let saved = Saved::new();
    let address = Address::new(Transport::Unix, &saved.site);
    let Address::Unix(path) = &address else { unreachable!("asked for above") };
    let ram = saved.site.destination_ram();
    let uri = address.uri();
    let receive = |name: &str| {
        let arguments = ["receive", "--ram", text(&ram), "--memory", "1M", &uri];
        Program::start(name, lastref(arguments, None), saved.site.scratch())
    };
    let mut first = receive("first");
    address.wait_for_listener(&mut first);
    assert_failed(&receive("second").finish(), &["in use"]);
    assert!(path.exists(), "the second removes nothing");
    saved.send(&uri).assert_exit(0);
    saved.assert_received(&first.finish());
    assert!(!path.exists(), "the first has taken its own with it");

    // What a killed one left is no obstacle.
    let mut killed = receive("killed");
    address.wait_for_listener(&mut killed);
    killed.kill();
    killed.finish();
    assert!(path.exists());
    let mut next = receive("next");
    address.wait_for_listener(&mut next);
    // Nor is what somebody else has put there meanwhile removed.
    fs::remove_file(path).expect("the socket");
    fs::write(path, "somebody else's").expect("a file");
    crate::support::lastref::signal(&next, rustix::process::Signal::TERM);
    next.finish();
    assert_eq!(fs::read_to_string(path).expect("as it was"), "somebody else's");
}

#[test]
fn a_command_may_ask_on_the_terminal() {
    let saved = Saved::new();
    let (master, slave) = terminal();
    let got = saved.site.scratch().join("got");
    let command =
        format!("exec:read word </dev/tty; echo $word >{}; cat >/dev/null", got.display());
    let ram = saved.site.source_ram();
    // `setsid` gives the program the terminal, in the foreground.
    let mut started = Command::new("setsid");
    started.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_lastref"), "send", "--ram", text(&ram)]);
    started.arg(&command).stdin(slave);
    let program = Program::start("lastref", started, saved.site.scratch());
    let mut typing = File::from(master);
    typing.write_all(b"secret\n").expect("a terminal");
    program.finish().assert_exit(0);
    assert_eq!(fs::read_to_string(got).expect("what was read"), "secret\n");
}

#[test]
fn what_a_command_has_started_ends_with_it_in_the_foreground_too() {
    let saved = Saved::new();
    let (_master, slave) = terminal();
    let pids = saved.site.scratch().join("pids");
    let command = format!(
        "exec:(sleep 1000 & echo $! >{0}.part; mv {0}.part {0}; wait); sleep 1000",
        pids.display()
    );
    let ram = saved.site.source_ram();
    let mut started = Command::new("setsid");
    started.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_lastref"), "send", "--ram", text(&ram)]);
    started.arg(&command).stdin(slave).process_group(0);
    let mut program = Program::start("lastref", started, saved.site.scratch());
    let sleeper = wait::until(
        &mut program,
        |_| fs::read_to_string(&pids).ok(),
        |program| format!("a command that runs: {}", program.report()),
    );
    let status = format!("/proc/{}/status", sleeper.trim());
    // To the program: it is the child of `setsid`.
    let children = format!("/proc/{0}/task/{0}/children", program.id());
    let child = fs::read_to_string(children).expect("the children of a process");
    let child = child.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(child.expect("one child"), rustix::process::Signal::TERM)
        .expect("a process that runs");
    program.finish();
    wait::until(
        &mut (),
        |()| {
            let state = fs::read_to_string(&status).unwrap_or_default();
            (state.is_empty() || state.contains("State:\tZ")).then_some(())
        },
        |()| "the end of what the command has started".to_owned(),
    );
}

/// A new terminal: who types, and the program's side.
fn terminal() -> (rustix::fd::OwnedFd, rustix::fd::OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).expect("a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
    let name = ptsname(&master, Vec::new()).expect("the name of a terminal");
    let slave = OpenOptions::new()
        .read(true)
        .write(true)
        .open(Path::new(name.to_str().expect("UTF-8")))
        .expect("the program's side");
    (master, slave.into())
}
