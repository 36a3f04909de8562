//! What a peer may do wrong: each is one clear error that names the place, what was expected and
//! what was found, and nothing half-made stays.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;

use serde_json::json;
use test_support::peer::read_stream;
use test_support::program::{Finished, Program};
use test_support::site::Site;
use test_support::stream::{MEMORY, PAGES, RAM, Stream};
use wire::ram::{BlockRef, PageOffset, RamFlags, RamRecord};
use wire::vmstate::{CpuTimers, VmState as _};
use wire::{
    Command as StreamCommand, Decoder, IdStr, PageSizes, ReturnMessage, TARGET_PAGE_SIZE, Wire,
};

use crate::support::lastref::{
    assert_failed, assert_reported, connection, error_line, inherited_uri, json, lastref,
    lastref_within, run,
};

/// A stream that is refused.
struct Case {
    name: &'static str,
    /// It is wrong from its mark on, and ends after what is wrong.
    stream: Stream,
    /// What the error calls the record or section around it.
    section: Option<&'static str>,
    expected: &'static str,
    found: &'static str,
}

const RAM_SECTION: Option<&str> = Some("section \"ram\" (id 2)");

impl Case {
    fn new(
        name: &'static str,
        stream: Stream,
        section: Option<&'static str>,
        expected: &'static str,
        found: &'static str,
    ) -> Case {
        Case { name, stream, section, expected, found }
    }
}

/// The shape of the stream.
fn wrong_records() -> Vec<Case> {
    let header =
        |magic: &[u8], version: u8| Stream::default().raw(magic).wrong().raw(&[0, 0, 0, version]);
    vec![
        Case::new(
            "wrong magic",
            Stream::default().raw(b"GIF89a\0\0"),
            None,
            "file magic 0x5145564d (QEVM)",
            "0x47494638",
        ),
        Case::new(
            "old version",
            header(b"QEVM", 2),
            None,
            "stream version 3",
            "version 2 (obsolete)",
        ),
        Case::new(
            "unknown version",
            header(b"QEVM", 4),
            None,
            "stream version 3",
            "version 4 (unsupported)",
        ),
        Case::new(
            "unknown machine type",
            Stream::default().header().wrong().configuration("pc-q35-7.2").open_return_path(),
            Some("configuration"),
            "machine type \"none\"",
            "machine type \"pc-q35-7.2\"",
        ),
        Case::new(
            "no configuration",
            Stream::default().header().wrong().start("ram", RAM),
            RAM_SECTION,
            "the configuration first",
            "section \"ram\" (id 2)",
        ),
        Case::new(
            "a second configuration",
            Stream::head().open_return_path().wrong().configuration("none").open_return_path(),
            Some("configuration"),
            "a section, a command or the end",
            "a second configuration",
        ),
        Case::new(
            "unknown record",
            Stream::head().wrong().raw(&[0x55]),
            None,
            "record type",
            "0x55",
        ),
        Case::new(
            "unknown section",
            Stream::begun().wrong().full("vga", 7, 1),
            Some("section \"vga\" (id 7)"),
            "one of the sections ram, globalstate, timer",
            "section \"vga\" instance 0",
        ),
        Case::new(
            "a section without a name",
            Stream::begun().wrong().raw(b"\x04\0\0\0\x07\0"),
            Some("section header"),
            "a name of 1 to 255 bytes",
            "0 bytes",
        ),
        Case::new(
            "unknown version of a section",
            Stream::begun().pages().ended().wrong().full("timer", 3, 9),
            Some("section \"timer\" (id 3)"),
            "version 1 to 2 of timer",
            "version 9",
        ),
        Case::new(
            "unknown run state",
            Stream::begun().pages().ended().wrong().run_state("sleeping", 3).footer(3),
            Some("section \"globalstate\" (id 3)"),
            "a run state",
            "\"sleeping\"",
        ),
        Case::new(
            "a device twice",
            Stream::begun().devices().wrong().full("timer", 9, CpuTimers::VERSION),
            Some("section \"timer\" (id 9)"),
            "section \"timer\" (id 9) once",
            "a second time",
        ),
        Case::new(
            "memory twice",
            Stream::begun().wrong().start("ram", 9),
            Some("section \"ram\" (id 9)"),
            "section \"ram\" (id 9) once",
            "a second time",
        ),
        Case::new(
            "section number given out twice",
            Stream::begun().wrong().full("timer", RAM, 2),
            Some("section \"timer\" (id 2)"),
            "a section number other than that of section \"ram\" (id 2)",
            "section \"timer\" (id 2)",
        ),
        Case::new(
            "a piece of an unknown section number",
            Stream::begun().wrong().part(9),
            Some("section (id 9)"),
            "the number of a section that was begun",
            "section number 9",
        ),
        Case::new(
            "missing footer",
            Stream::begun().part(RAM).end_mark().wrong().end(RAM),
            RAM_SECTION,
            "section footer 0x7e",
            "0x03",
        ),
        Case::new(
            "footer of another section",
            Stream::begun().part(RAM).end_mark().wrong().footer(3),
            RAM_SECTION,
            "section footer of id 2",
            "section footer of id 3",
        ),
        Case::new(
            "unknown command",
            Stream::head().wrong().raw(b"\x08\0\x63\0\0"),
            Some("command"),
            "command number 1 to 11",
            "number 99 with 0 bytes",
        ),
        Case::new(
            "command of a wrong length",
            Stream::head().wrong().raw(b"\x08\0\x02\0\x05"),
            Some("command"),
            "command PING with 4 bytes of payload",
            "5 bytes",
        ),
        Case::new(
            "command of postcopy",
            Stream::begun().wrong().command(StreamCommand::PostcopyListen),
            Some("command"),
            "a command of a precopy stream",
            "command POSTCOPY_LISTEN",
        ),
        Case::new(
            "announcement of postcopy",
            Stream::head().wrong().command(StreamCommand::PostcopyAdvise(Some(PageSizes {
                summary: 4096,
                target: 4096,
            }))),
            Some("command"),
            "a command of a precopy stream",
            "command POSTCOPY_ADVISE",
        ),
        Case::new(
            "an end without memory",
            Stream::head().wrong().eof(),
            None,
            "END of section \"ram\"",
            "the end of the stream",
        ),
        Case::new(
            "an end without the end of memory",
            Stream::begun().pages().wrong().eof(),
            None,
            "END of section \"ram\"",
            "the end of the stream",
        ),
        Case::new(
            "a second end of memory",
            Stream::begun().ended().wrong().end(RAM).end_of_part(RAM),
            RAM_SECTION,
            "one END of section \"ram\"",
            "a second one",
        ),
        Case::new(
            "garbage after the end",
            Stream::begun().ended().eof().wrong().raw(b"garbage"),
            None,
            "record type",
            "0x67",
        ),
        Case::new(
            "a section after the end",
            Stream::begun().ended().eof().wrong().full("timer", 3, 2),
            Some("section \"timer\" (id 3)"),
            "the VM description or the end",
            "section \"timer\" (id 3)",
        ),
    ]
}

/// The contents of section `ram`.
fn wrong_memory() -> Vec<Case> {
    let begun = || Stream::head().start("ram", RAM);
    let same_block =
        |offset| RamRecord::Zero { offset: PageOffset::containing(offset), block: BlockRef::Same };
    vec![
        Case::new(
            "unknown RAM block in the list",
            begun().wrong().blocks(&[("ram", MEMORY), ("pc.bios", 0x1000)]),
            RAM_SECTION,
            "RAM blocks \"ram\" (0x10000 bytes)",
            "RAM block \"pc.bios\"",
        ),
        Case::new(
            "RAM block of another size",
            begun().wrong().blocks(&[("ram", 2 * MEMORY)]),
            RAM_SECTION,
            "RAM block \"ram\" of 0x10000 bytes",
            "0x20000 bytes",
        ),
        Case::new(
            "a second list of RAM blocks",
            Stream::begun().part(RAM).wrong().blocks(&[("ram", MEMORY)]),
            RAM_SECTION,
            "one list of RAM blocks",
            "a second one",
        ),
        Case::new(
            "no list of RAM blocks",
            begun().wrong().page("ram", 0, 1),
            RAM_SECTION,
            "the list of RAM blocks",
            "a page",
        ),
        Case::new(
            "a page of an unknown RAM block",
            Stream::begun().part(RAM).wrong().page("pc.bios", 0, 1),
            RAM_SECTION,
            "RAM blocks \"ram\" (0x10000 bytes)",
            "RAM block \"pc.bios\"",
        ),
        Case::new(
            "a page of no RAM block",
            Stream::begun().part(RAM).wrong().piece(&same_block(0)),
            RAM_SECTION,
            "the name of a RAM block",
            "CONTINUE on the first page",
        ),
        Case::new(
            "a page just outside its RAM block",
            Stream::begun().part(RAM).wrong().page("ram", MEMORY, 1),
            RAM_SECTION,
            "an offset below 0x10000 in RAM block \"ram\"",
            "0x10000",
        ),
        Case::new(
            "a page far outside its RAM block",
            Stream::begun().part(RAM).page("ram", 0, 1).wrong().piece(&same_block(u64::MAX)),
            RAM_SECTION,
            "an offset below 0x10000 in RAM block \"ram\"",
            "0xfffffffffffff000",
        ),
        Case::new(
            "a compressed page",
            Stream::begun().part(RAM).wrong().word(0, RamFlags::XBZRLE),
            RAM_SECTION,
            "a RAM record: ZERO or PAGE",
            "XBZRLE",
        ),
    ]
}

/// Lengths that nobody may believe.
fn huge_lengths() -> Vec<Case> {
    let four_gib = [0xff; 4];
    vec![
        Case::new(
            "a machine name of 4 GiB",
            Stream::default().header().wrong().raw(b"\x07").raw(&four_gib),
            Some("configuration"),
            "machine name of at most 255 bytes",
            "4294967295 bytes",
        ),
        Case::new(
            "four milliard capabilities",
            Stream::head()
                .wrong()
                .raw(b"\x05\x1aconfiguration/capabilities\0\0\0\x01")
                .raw(&four_gib),
            Some("configuration"),
            "at most 64 capabilities",
            "4294967295",
        ),
        Case::new(
            "a RAM block of 8 EiB",
            Stream::head().start("ram", RAM).wrong().blocks(&[("ram", 1 << 63)]),
            RAM_SECTION,
            "RAM block \"ram\" of 0x10000 bytes",
            "0x8000000000000000 bytes",
        ),
        Case::new(
            "a package of 4 GiB",
            Stream::head().wrong().command(StreamCommand::Packaged(u32::MAX)),
            Some("command"),
            "a command of a precopy stream",
            "command PACKAGED",
        ),
        Case::new(
            "a VM description of 4 GiB",
            Stream::begun().ended().eof().wrong().raw(b"\x06").raw(&four_gib),
            Some("VM description"),
            "VM description of at most 16777216 bytes",
            "4294967295 bytes",
        ),
    ]
}

/// Starts `lastref receive` at one end of a connection, within a limit of virtual memory if one
/// is given (in KiB).
fn receive(site: &Site, limit: Option<u64>) -> (Program, UnixStream) {
    let (peer, theirs) = connection();
    let memory = MEMORY.to_string();
    let uri = inherited_uri();
    let mut arguments = vec!["receive", "--json", "--memory", &memory, "--ram"];
    let ram = site.destination_ram();
    arguments.extend([ram.to_str().expect("a path in UTF-8"), &uri]);
    let command = match limit {
        None => lastref(arguments, Some(theirs)),
        Some(kib) => lastref_within(kib, arguments, theirs),
    };
    (Program::start("lastref-receive", command, site.scratch()), peer)
}

/// Sends `stream` and keeps the connection open until the receiver has ended.
#[track_caller]
fn receive_stream(site: &Site, limit: Option<u64>, stream: &[u8]) -> Finished {
    let (receiver, mut peer) = receive(site, limit);
    // A receiver that has seen enough closes the connection.
    let _ = peer.write_all(stream);
    let finished = receiver.finish();
    drop(peer);
    finished
}

/// Sends `stream` and closes the connection.
#[track_caller]
fn receive_and_close(site: &Site, stream: &[u8]) -> Finished {
    let (receiver, mut peer) = receive(site, None);
    let _ = peer.write_all(stream);
    peer.shutdown(Shutdown::Write).expect("a socket");
    receiver.finish()
}

#[track_caller]
fn assert_refused(case: &Case, site: &Site, finished: &Finished) {
    let Case { name, stream, section, expected, found } = case;
    assert_failed(finished, &["the migration stream cannot be loaded: at byte "]);
    assert_reported(finished, "failed");
    let error = error_line(finished);
    println!("{name}: {error}");

    let place = error.split_once("at byte ").map(|(_, rest)| rest);
    let (place, rest) = place.and_then(|rest| rest.split_once(": expected ")).expect(error);
    let (offset, inside) = match place.split_once(", in ") {
        Some((offset, inside)) => (offset, Some(inside)),
        None => (place, None),
    };
    let offset: usize = offset.parse().expect(error);
    let wrong = stream.mark..=stream.bytes.len();
    assert!(wrong.contains(&offset), "{name}: byte {offset} is not in {wrong:?}: {error}");
    assert_eq!(inside, *section, "{name}: {error}");
    let (expects, finds) = rest.split_once(", found ").expect(error);
    assert!(expects.contains(expected), "{name}: {expected:?} expected in {error}");
    assert!(finds.contains(found), "{name}: {found:?} expected in {error}");
    assert_nothing_left(site, finished);
}

#[track_caller]
fn assert_nothing_left(site: &Site, finished: &Finished) {
    let files = site.destination_files();
    assert!(files.is_empty(), "{files:?} left by {finished}");
}

#[track_caller]
fn assert_received(site: &Site, finished: &Finished) {
    finished.assert_exit(0);
    let report = json(finished);
    assert_eq!(report["status"], "completed", "status of {finished}");
    assert_eq!(report["error-desc"], json!(null), "error of {finished}");
    assert_eq!(site.destination_files(), ["ram"], "left by {finished}");
    let mut expected = vec![0; MEMORY as usize];
    expected[..TARGET_PAGE_SIZE].fill(0xa5);
    expected[TARGET_PAGE_SIZE..2 * TARGET_PAGE_SIZE].fill(0x5a);
    let ram = fs::read(site.destination_ram()).expect("the RAM file");
    assert!(ram == expected, "the RAM file has what was sent");
}

#[test]
fn a_stream_of_a_wrong_shape_is_refused_with_place_expected_and_found() {
    for case in wrong_records() {
        let site = Site::new(MEMORY);
        let finished = receive_stream(&site, None, &case.stream.bytes);
        assert_refused(&case, &site, &finished);
    }
}

#[test]
fn memory_of_another_machine_is_refused_with_place_expected_and_found() {
    for case in wrong_memory() {
        let site = Site::new(MEMORY);
        let finished = receive_stream(&site, None, &case.stream.bytes);
        assert_refused(&case, &site, &finished);
    }
}

#[test]
fn a_huge_length_is_refused_before_there_is_memory_for_it() {
    for case in huge_lengths() {
        let site = Site::new(MEMORY);
        let finished = receive_stream(&site, Some(VIRTUAL_MEMORY), &case.stream.bytes);
        assert_refused(&case, &site, &finished);
    }
}

/// In KiB: enough for the program, and far from enough for anything a stream may claim.
const VIRTUAL_MEMORY: u64 = 512 << 10;

#[test]
fn the_limit_of_the_tests_above_is_enough_for_a_good_stream() {
    let site = Site::new(MEMORY);
    let finished = receive_stream(&site, Some(VIRTUAL_MEMORY), &Stream::whole().bytes);
    assert_received(&site, &finished);
}

#[test]
fn a_stream_that_ends_in_the_middle_is_refused_with_the_place() {
    let whole = Stream::whole().bytes;
    let description = Stream::begun().pages().ended().devices().eof().bytes.len();
    let begun = Stream::begun().bytes.len();
    // In the magic, the version, the configuration, the command, the list of blocks; in the head
    // and the bytes of a page; in and between the sections; in the description.
    let cuts = [0, 3, 6, 8, 12, 17, 20, 30, 50, begun - 1, begun, begun + 9, begun + 1000];
    let late = [begun + 4096, description - 100, description - 1, description + 1, whole.len() - 1];
    for cut in cuts.into_iter().chain(late) {
        let site = Site::new(MEMORY);
        let finished = receive_and_close(&site, &whole[..cut]);
        assert_failed(&finished, &["at byte ", "expected ", "found end of stream after "]);
        assert_reported(&finished, "failed");
        let error = error_line(&finished);
        let (_, rest) = error.split_once("at byte ").expect(error);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).expect(error);
        let offset: usize = rest[..digits].parse().expect(error);
        assert!(offset <= cut, "cut at {cut}: {error}");
        assert_nothing_left(&site, &finished);
    }
}

#[test]
fn a_stream_without_a_description_is_whole_when_the_source_closes() {
    let site = Site::new(MEMORY);
    let stream = Stream::begun().pages().ended().devices().eof();
    let finished = receive_and_close(&site, &stream.bytes);
    assert_received(&site, &finished);
}

#[test]
fn what_comes_after_the_description_is_not_waited_for_nor_read() {
    let site = Site::new(MEMORY);
    let stream = Stream::whole().raw(b"garbage");
    let finished = receive_stream(&site, None, &stream.bytes);
    assert_received(&site, &finished);
}

#[test]
fn a_source_that_sends_byte_by_byte_is_only_slow() {
    let site = Site::new(MEMORY);
    let (receiver, mut peer) = receive(&site, None);
    for byte in Stream::whole().bytes.chunks(1) {
        peer.write_all(byte).expect("a receiver that reads");
    }
    let finished = receiver.finish();
    assert_received(&site, &finished);
    let answer = ReturnMessage::decode(&mut Decoder::new(&peer)).expect("an answer");
    assert_eq!(answer, ReturnMessage::Shut(0));
}

#[test]
fn a_source_with_a_return_path_is_told_that_it_failed() {
    let site = Site::new(MEMORY);
    let (receiver, mut peer) = receive(&site, None);
    peer.write_all(&Stream::begun().part(9).bytes).expect("a receiver that reads");
    let mut answers = Decoder::new(&peer);
    let answer = ReturnMessage::decode(&mut answers).expect("an answer");
    assert_eq!(answer, ReturnMessage::Shut(1));
    let rest = answers.peek_u8();
    assert!(matches!(rest, Ok(None) | Err(_)), "nothing more: {rest:?}");
    receiver.finish().assert_exit(1);
}

#[test]
fn a_file_that_was_there_stays_as_it_is_unless_the_migration_succeeds() {
    let site = Site::new(MEMORY);
    let ram = site.destination_ram();
    fs::write(&ram, "something else").expect("a file");
    let before = fs::metadata(&ram).expect("a file");

    let finished = receive_stream(&site, None, &Stream::begun().part(9).bytes);
    finished.assert_exit(1);
    let after = fs::metadata(&ram).expect("the file of before");
    assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
    assert_eq!(fs::read(&ram).expect("the file of before"), b"something else");
    assert_eq!(site.destination_files(), ["ram"]);

    let finished = receive_stream(&site, None, &Stream::whole().bytes);
    assert_received(&site, &finished);
}

#[test]
fn a_place_where_no_file_can_be_is_told_before_anything_is_received() {
    let site = Site::new(MEMORY);
    let file = site.scratch().join("file");
    fs::write(&file, "").expect("a file");
    let folder = site.scratch().join("folder");
    fs::create_dir(&folder).expect("a folder");
    let cases = [
        (site.scratch().join("missing/ram"), "No such file or directory"),
        (folder.clone(), "directory"),
        (file.join("ram"), "Not a directory"),
        // Nobody makes a file there, root neither.
        ("/proc/ram".into(), "os error"),
    ];
    for (ram, cause) in cases {
        let socket = site.scratch().join("socket");
        let ram = ram.to_str().expect("a path in UTF-8");
        let uri = format!("unix:{}", socket.display());
        let finished = run(["receive", "--ram", ram, "--memory", "64K", &uri], site.scratch());
        assert_failed(&finished, &[ram, cause]);
        assert!(!socket.exists(), "nobody was waited for");
        assert_eq!(finished.stdout, "");
    }
    assert_eq!(fs::read_dir(folder).expect("the folder").count(), 0);
}

// The other way: what a destination may do wrong.

/// What the destination does with its end of the connection.
type Peer = fn(UnixStream);

fn answer(mut peer: UnixStream, bytes: &[u8]) {
    read_stream(&peer).expect("a whole stream");
    peer.write_all(bytes).expect("a sender that listens");
}

fn encoded(message: &ReturnMessage) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

#[test]
fn a_destination_that_does_not_take_the_machine_is_told_with_what_it_did() {
    const LARGE: u64 = 8 << 20;
    let cases: [(&str, Peer, &[&str]); 9] = [
        ("closes at once", drop, &["the peer took", "closed the connection"]),
        (
            "closes after some bytes",
            |mut peer| peer.read_exact(&mut [0; 100_000]).expect("so many bytes"),
            &["the peer took", "closed the connection"],
        ),
        (
            "gives up in the middle and says so",
            |mut peer| {
                peer.read_exact(&mut [0; 100_000]).expect("so many bytes");
                peer.write_all(&encoded(&ReturnMessage::Shut(1))).expect("a sender that sends");
            },
            &["the peer took", "closed the connection"],
        ),
        (
            "says that it failed",
            |peer| answer(peer, &encoded(&ReturnMessage::Shut(1))),
            &["the destination reports that it could not load the stream (error 1)"],
        ),
        (
            "says it after it agreed to the switchover",
            |peer| {
                let messages = [ReturnMessage::SwitchoverAck, ReturnMessage::Shut(7)];
                answer(peer, &messages.map(|message| encoded(&message)).concat());
            },
            &["(error 7)"],
        ),
        (
            "closes without a word",
            |peer| answer(peer, &[]),
            &["did not confirm it", "at byte 0", "end of stream"],
        ),
        (
            "closes in the middle of its word",
            |peer| answer(peer, &encoded(&ReturnMessage::Shut(0))[..6]),
            &["did not confirm it", "value of SHUT", "end of stream after 2 of 4 bytes"],
        ),
        (
            "says something that is no message",
            |peer| answer(peer, b"garbage garbage"),
            &["did not confirm it", "at byte 0", "return-path message"],
        ),
        (
            "asks for pages as in postcopy",
            |peer| {
                let block = IdStr::new("ram").expect("a short name");
                answer(peer, &encoded(&ReturnMessage::ReqPagesId { start: 0, len: 4096, block }));
            },
            &["did not confirm it", "SHUT on the return path", "REQ_PAGES_ID"],
        ),
    ];
    for (name, act, words) in cases {
        let site = Site::new(LARGE);
        let ram: Vec<u8> = (0..LARGE).map(|byte| (byte % 251) as u8).collect();
        fs::write(site.source_ram(), &ram).expect("a RAM file");
        let before = fs::metadata(site.source_ram()).expect("a RAM file");
        let (peer, theirs) = connection();
        let mut command = lastref(["send", "--json", "--ram"], Some(theirs));
        command.arg(site.source_ram()).arg(inherited_uri());
        let sender = Program::start("lastref-send", command, site.scratch());
        // The command has its own copy of the other end, and the sender must have the only one.
        act(peer);
        let finished = sender.finish();

        println!("{name}: {}", error_line(&finished));
        assert_failed(&finished, words);
        assert_reported(&finished, "failed");
        assert!(fs::read(site.source_ram()).expect("the RAM file") == ram, "{name}: unchanged");
        let after = fs::metadata(site.source_ram()).expect("the RAM file");
        assert_eq!(after.mtime_nsec(), before.mtime_nsec(), "{name}: untouched");
    }
}

#[test]
fn a_destination_that_says_yes_in_the_end_is_believed() {
    let site = Site::new(MEMORY);
    fs::write(site.source_ram(), vec![1; MEMORY as usize]).expect("a RAM file");
    let (peer, theirs) = connection();
    let mut command = lastref(["send", "--json", "--ram"], Some(theirs));
    command.arg(site.source_ram()).arg(inherited_uri());
    let sender = Program::start("lastref-send", command, site.scratch());
    answer(
        peer,
        &[ReturnMessage::Pong(1), ReturnMessage::SwitchoverAck, ReturnMessage::Shut(0)]
            .map(|message| encoded(&message))
            .concat(),
    );
    let finished = sender.finish();
    finished.assert_exit(0);
    let report = json(&finished);
    assert_eq!(report["status"], "completed", "status of {finished}");
    assert_eq!(report["ram"]["normal"], PAGES, "pages of {finished}");
}
