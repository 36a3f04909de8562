//! Streams that go to and come from files, commands and descriptors of somebody else.

use std::fs;
use std::io::{PipeReader, pipe};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bql::BqlGuard;
use engine::{
    Direction, Endpoint, MigrationCapabilities, MigrationParameters, MigrationStatus, RunState, Uri,
};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Machine, Script, Site, attach};
use test_support::peer;
use test_support::wait::DEADLINE;

/// The pause between two looks at a condition nobody tells of.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>, what: &str) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        thread::sleep(BETWEEN_LOOKS);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

fn file(path: &Path) -> Uri {
    Uri::File { path: path.to_owned(), offset: 0 }
}

#[track_caller]
fn send(source: &Site, endpoint: impl Into<Endpoint>) -> MigrationStatus {
    let mut thread = attach();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.end(&mut thread, Direction::Outgoing)
}

#[track_caller]
fn receive(pages: usize, endpoint: impl Into<Endpoint>) -> (Site, MigrationStatus) {
    let mut thread = attach();
    let destination = Site::destination(pages, Script::default());
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    let status = destination.end(&mut thread, Direction::Incoming);
    (destination, status)
}

#[track_caller]
fn assert_received(source: &Site, received: (Site, MigrationStatus)) {
    let (destination, status) = received;
    assert_eq!(status, MigrationStatus::Completed, "{:?}", destination.error(Direction::Incoming));
    assert!(source.machine.contents() == destination.machine.contents(), "memory is equal");
    assert_eq!(destination.machine.run_state(), RunState::Running);
}

#[test]
fn a_file_has_its_name_when_it_is_complete_and_not_before() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stream");
    let looked = path.clone();
    let stop = move |machine: &Machine, _: &mut BqlGuard<'_>| {
        machine.note(format!("there={}", looked.exists()));
    };
    let source = Site::source(100, Script { stop: Some(Box::new(stop)), ..Script::default() });
    assert_eq!(send(&source, file(&path)), MigrationStatus::Completed);
    assert_eq!(source.machine.count("there=false"), 1, "{:?}", source.machine.trace());
    assert_eq!(names(folder.path()), ["stream"]);
    assert_received(&source, receive(100, file(&path)));
}

#[test]
fn a_file_of_a_cancelled_or_failed_migration_is_never_there() {
    type Stop = fn(&Machine, &mut BqlGuard<'_>);
    let cases: [(Stop, MigrationStatus); 2] = [
        (|machine, bql| machine.cancel(bql), MigrationStatus::Cancelled),
        (|_, _| panic!("no stop"), MigrationStatus::Failed),
    ];
    for (stop, expected) in cases {
        for before in [None, Some("kept")] {
            let folder = TempDir::new().expect("a folder");
            let path = folder.path().join("stream");
            if let Some(before) = before {
                fs::write(&path, before).expect("a file");
            }
            // A hook that panics for ever has no good end: the second time it stops.
            let stop = move |machine: &Machine, bql: &mut BqlGuard<'_>| {
                if machine.count("stop") == 1 {
                    stop(machine, bql);
                }
            };
            let source = Site::source(
                MANY_PAGES,
                Script { stop: Some(Box::new(stop)), ..Script::default() },
            );
            assert_eq!(send(&source, file(&path)), expected);
            source.assert_runs_on();
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            assert_eq!(names(folder.path()).len(), before.iter().len(), "nothing beside it");
        }
    }
}

#[test]
fn a_complete_file_replaces_the_one_that_was_there() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stream");
    fs::write(&path, vec![7; 1 << 20]).expect("a file");
    let source = Site::source(1, Script::default());
    assert_eq!(send(&source, file(&path)), MigrationStatus::Completed);
    assert_received(&source, receive(1, file(&path)));
}

#[test]
fn a_stream_at_an_offset_leaves_what_is_before_it() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stream");
    fs::write(&path, "a header").expect("a file");
    let uri = Uri::File { path: path.clone(), offset: 4096 };
    let source = Site::source(3, Script::default());
    assert_eq!(send(&source, uri.clone()), MigrationStatus::Completed);
    assert!(fs::read(&path).expect("the file").starts_with(b"a header\0"));
    assert_received(&source, receive(3, uri));
}

#[test]
fn a_folder_that_is_missing_is_told_with_the_uri() {
    let folder = TempDir::new().expect("a folder");
    let uri = file(&folder.path().join("missing/stream"));
    let source = Site::source(1, Script::default());
    assert_eq!(send(&source, uri.clone()), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.starts_with(&format!("cannot connect to {uri}: ")), "{error}");
    source.assert_runs_on();

    let (destination, status) = receive(1, uri.clone());
    assert_eq!(status, MigrationStatus::Failed);
    let error = destination.error(Direction::Incoming).expect("an error");
    assert!(error.starts_with(&format!("cannot wait for a migration at {uri}: ")), "{error}");
}

#[test]
fn a_command_takes_a_stream_and_another_gives_it() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stream");
    // The copy takes longer than the last byte: it is there because the command was waited for.
    let take = format!("cat > {0}.part && cp {0}.part {0}", path.display());
    let source = Site::source(MANY_PAGES, Script::default());
    assert_eq!(send(&source, Uri::Exec(take)), MigrationStatus::Completed);
    let give = format!("cat {}", path.display());
    assert_received(&source, receive(MANY_PAGES, Uri::Exec(give)));
}

#[test]
fn a_command_that_fails_is_told_with_its_status() {
    let source = Site::source(1, Script::default());
    let status = send(&source, Uri::Exec("cat > /dev/null; exit 3".into()));
    assert_eq!(status, MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.ends_with("the command ended with exit status: 3"), "{error}");
    source.assert_runs_on();
    assert_eq!(source.machine.count("resume"), 1);

    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stream");
    let source = Site::source(1, Script::default());
    assert_eq!(send(&source, file(&path)), MigrationStatus::Completed);
    // What the command does after the whole stream matters to nobody.
    for after in ["exit 3", "sleep 1000"] {
        let give = format!("cat {}; {after}", path.display());
        assert_received(&source, receive(1, Uri::Exec(give)));
    }
}

#[test]
fn a_command_that_does_not_exist_is_told_with_its_status() {
    let missing = "/nowhere/command-that-is-not-there";
    let source = Site::source(MANY_PAGES, Script::default());
    assert_eq!(send(&source, Uri::Exec(missing.into())), MigrationStatus::Failed);
    source.assert_runs_on();
    let (destination, status) = receive(1, Uri::Exec(missing.into()));
    assert_eq!(status, MigrationStatus::Failed);
    assert_eq!(destination.machine.count("arrived"), 0);
}

#[test]
fn the_whole_process_group_of_a_command_goes_with_a_cancelled_migration() {
    for direction in [Direction::Outgoing, Direction::Incoming] {
        let folder = TempDir::new().expect("a folder");
        let pids = folder.path().join("pids");
        // A child that the shell does not wait for, and one that it does.
        let command = format!(
            "sleep 1000 & echo $! $$ > {0}.part; mv {0}.part {0}; sleep 1000",
            pids.display()
        );
        let mut thread = attach();
        let state = match direction {
            Direction::Outgoing => RunState::Running,
            Direction::Incoming => RunState::InMigrate,
        };
        let site = Site::new(MANY_PAGES, state, Script::default());
        match direction {
            Direction::Outgoing => site.migrate(&mut thread, Uri::Exec(command)),
            Direction::Incoming => site.migrate_incoming(&mut thread, Uri::Exec(command)),
        }
        .expect("an idle object");
        let pids = until(|| fs::read_to_string(&pids).ok(), "the numbers of the processes");
        let group: u32 = pids
            .split_whitespace()
            .nth(1)
            .and_then(|pid| pid.parse().ok())
            .expect("the number of the shell, which is its group's");
        assert!(members(group) >= 2, "the shell and its child run");

        site.cancel(&mut thread, direction);
        assert_eq!(site.end(&mut thread, direction), MigrationStatus::Cancelled);
        until(|| (members(group) == 0).then_some(()), "the end of the process group");
        assert_eq!(site.machine.run_state(), state);
    }
}

/// How many processes of a group run; one that has ended and was not reaped does not.
fn members(group: u32) -> usize {
    let group = group.to_string();
    names(Path::new("/proc"))
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        // The name is in parentheses and may hold anything; state, parent and group follow.
        .filter(|stat| {
            stat.rsplit_once(") ").is_some_and(|(_, rest)| {
                let mut fields = rest.split_whitespace();
                fields.next() != Some("Z") && fields.nth(1) == Some(&group)
            })
        })
        .count()
}

#[test]
fn a_stream_goes_through_a_pipe_that_was_handed_over() {
    let (reader, writer) = pipe().expect("a pipe");
    let source = Site::source(MANY_PAGES, Script::default());
    let mut thread = attach();
    let fd = |fd: OwnedFd| Endpoint::with_fd(Uri::Fd(0), fd);
    source.migrate(&mut thread, fd(writer.into())).expect("an idle object");
    let destination = Site::destination(MANY_PAGES, Script::default());
    destination.migrate_incoming(&mut thread, fd(reader.into())).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    let status = destination.end(&mut thread, Direction::Incoming);
    assert_received(&source, (destination, status));
}

#[test]
fn cancel_ends_a_write_to_a_pipe_that_nobody_reads() {
    let (reader, writer): (PipeReader, _) = pipe().expect("a pipe");
    let source = Site::source(MANY_PAGES, Script::default());
    let mut thread = attach();
    let endpoint = Endpoint::with_fd(Uri::Fd(0), writer.into());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);
    source.cancel(&mut thread, Direction::Outgoing);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Cancelled);
    source.assert_runs_on();
    drop(reader);
}

#[test]
fn a_descriptor_that_others_share_blocks_again_afterwards() {
    let mut thread = attach();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let shared = theirs.try_clone().expect("another descriptor of the same socket");
    let flags = || rustix::fs::fcntl_getfl(&shared).expect("its flags");
    let before = flags();
    let source = Site::source(1, Script::default());
    source
        .migrate(&mut thread, Endpoint::with_fd(Uri::Fd(0), theirs.into()))
        .expect("an idle object");
    peer::read_stream(&ours).expect("a whole stream");
    assert_ne!(flags(), before, "it never blocks while it migrates");
    drop(ours);
    source.end(&mut thread, Direction::Outgoing);
    assert_eq!(flags(), before);
}

#[test]
fn a_number_without_a_descriptor_is_no_endpoint() {
    let source = Site::source(1, Script::default());
    assert_eq!(send(&source, Uri::Fd(99)), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.starts_with("cannot connect to fd:99: "), "{error}");
}

/// Connections that are none of a source's, made before it comes.
fn strangers(connect: &dyn Fn() -> Box<dyn std::io::Write>) -> Vec<Box<dyn std::io::Write>> {
    let says = |words: &[u8]| {
        let mut stranger = connect();
        // It may have been dropped for what it said first.
        let _ = stranger.write_all(words);
        stranger
    };
    // Those that close, and more that are silent than anybody keeps.
    (0..3).for_each(|_| drop(connect()));
    let mut all: Vec<_> = (0..100).map(|_| connect()).collect();
    // Those that say something else, or half of what a source says, and close or stay.
    for words in [&b"\n"[..], b"GET / HTTP/1.0\r\n\r\n", b"QE", b"\x11\x22", b"QEVX"] {
        drop(says(words));
        all.push(says(words));
    }
    all
}

#[test]
fn a_probe_and_a_connection_that_begins_as_nothing_are_no_source() {
    let folder = TempDir::new().expect("a folder");
    for channels in [None, Some(2)] {
        for uri in [Uri::Unix(folder.path().join("socket")), Uri::Tcp("127.0.0.1:0".into())] {
            let mut thread = attach();
            let sites = [
                Site::source(MANY_PAGES, Script::default()),
                Site::destination(MANY_PAGES, Script::default()),
            ];
            let [source, destination] = &sites;
            if let Some(channels) = channels {
                for site in &sites {
                    let multifd = MigrationCapabilities { multifd: true, ..Default::default() };
                    let bql = thread.lock();
                    site.object.set_capabilities(&bql, multifd).expect("an idle object");
                    let parameters =
                        MigrationParameters { multifd_channels: channels, ..Default::default() };
                    site.object.set_parameters(&bql, parameters).expect("in their range");
                }
            }
            destination.migrate_incoming(&mut thread, uri).expect("an idle object");
            let observer = destination.observer(Direction::Incoming);
            observer.wait(&mut thread, DEADLINE, |_, info| info.socket_address.is_some());
            let address = observer.info().socket_address.expect("a destination that waits");
            let silent = strangers(&|| match &address {
                Uri::Unix(path) => Box::new(UnixStream::connect(path).expect("a listener")),
                Uri::Tcp(address) => Box::new(TcpStream::connect(address).expect("a listener")),
                other => panic!("nobody can connect to {other}"),
            });
            source.migrate(&mut thread, address).expect("an idle object");
            let sent = source.end(&mut thread, Direction::Outgoing);
            assert_eq!(sent, MigrationStatus::Completed, "{:?}", source.error(Direction::Outgoing));
            let received = destination.end(&mut thread, Direction::Incoming);
            assert_eq!(received, MigrationStatus::Completed);
            drop(silent);
        }
    }
}

#[test]
fn a_name_of_two_addresses_is_waited_at_at_both() {
    let both = ("localhost", 0).to_socket_addrs().expect("an address").count() > 1;
    let mut thread = attach();
    for (host, connects_to) in
        [("localhost", "127.0.0.1"), ("localhost", "[::1]"), ("", "127.0.0.1"), ("", "localhost")]
    {
        if connects_to == "[::1]" && !both {
            println!("SKIPPED: localhost has one address here");
            continue;
        }
        let destination = Site::destination(1, Script::default());
        let uri = Uri::Tcp(format!("{host}:0"));
        destination.migrate_incoming(&mut thread, uri).expect("an idle object");
        let observer = destination.observer(Direction::Incoming);
        observer.wait(&mut thread, DEADLINE, |_, info| info.socket_address.is_some());
        let Some(Uri::Tcp(address)) = observer.info().socket_address else {
            panic!("{:?}", destination.error(Direction::Incoming));
        };
        let (_, port) = address.rsplit_once(':').expect("a port");
        let source = Site::source(1, Script::default());
        source
            .migrate(&mut thread, Uri::Tcp(format!("{connects_to}:{port}")))
            .expect("an idle object");
        let sent = source.end(&mut thread, Direction::Outgoing);
        assert_eq!(sent, MigrationStatus::Completed, "{host} {connects_to}");
        destination.end(&mut thread, Direction::Incoming);
    }
}

#[test]
fn an_address_with_a_scope_is_an_address() {
    let mut thread = attach();
    let source = Site::source(1, Script::default());
    // Nobody has it here, and it is no name to look for.
    let uri = Uri::Tcp("[fe80::1%lo]:4444".into());
    source.migrate(&mut thread, uri).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(!error.contains("lookup") && !error.contains("no address"), "{error}");
}
