//! The program against a real QEMU at the other end: every byte of RAM
//! arrives, in both directions and over every kind of URI, and what goes
//! wrong is said and leaves nothing behind.
//!
//! Without `qemu-system-x86_64` on PATH each test says that it was skipped;
//! with `LASTREF_REQUIRE_QEMU=1` it fails instead.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use test_support::address::{Address, Transport};
use test_support::image::{self, Image};
use test_support::program::{self, Finished, INHERITED_FD, Program};
use test_support::qemu::{self, Qemu, ReturnPath};
use test_support::site::Site;
use test_support::wait;

const MIB: u64 = 1 << 20;
const SMALL: u64 = 64 * MIB;
const LARGE: u64 = 1024 * MIB;

// Both directions, over sockets.

#[test]
fn two_qemus_agree_over_unix_64m() {
    qemu_to_qemu(Transport::Unix, 1);
}

#[test]
fn two_qemus_agree_over_tcp_64m() {
    qemu_to_qemu(Transport::Tcp, 2);
}

#[test]
fn a_qemu_destination_gets_every_byte_over_unix_64m() {
    lastref_to_qemu(SMALL, Transport::Unix, 3);
}

#[test]
fn a_qemu_destination_gets_every_byte_over_tcp_64m() {
    lastref_to_qemu(SMALL, Transport::Tcp, 4);
}

#[test]
fn a_qemu_destination_gets_every_byte_over_unix_1g() {
    let _alone = one_large_machine_at_a_time();
    lastref_to_qemu(LARGE, Transport::Unix, 5);
}

#[test]
fn a_qemu_destination_gets_every_byte_over_tcp_1g() {
    let _alone = one_large_machine_at_a_time();
    lastref_to_qemu(LARGE, Transport::Tcp, 6);
}

#[test]
fn every_byte_of_a_qemu_source_arrives_over_unix_64m() {
    qemu_to_lastref(SMALL, Transport::Unix, ReturnPath::Off, 7);
}

#[test]
fn every_byte_of_a_qemu_source_arrives_over_tcp_64m() {
    qemu_to_lastref(SMALL, Transport::Tcp, ReturnPath::Off, 8);
}

#[test]
fn every_byte_of_a_qemu_source_arrives_over_unix_1g() {
    let _alone = one_large_machine_at_a_time();
    qemu_to_lastref(LARGE, Transport::Unix, ReturnPath::Off, 9);
}

#[test]
fn every_byte_of_a_qemu_source_arrives_over_tcp_1g() {
    let _alone = one_large_machine_at_a_time();
    qemu_to_lastref(LARGE, Transport::Tcp, ReturnPath::Off, 10);
}

// Over the channels of multifd, as each version of QEMU understands them.

#[test]
fn a_qemu_destination_gets_every_byte_over_multifd_unix() {
    let Some(qemu) = qemu::find() else { return };
    lastref_to_qemu_multifd(&qemu, Transport::Unix, 2, 30);
}

#[test]
fn a_qemu_destination_gets_every_byte_over_multifd_tcp() {
    let Some(qemu) = qemu::find() else { return };
    lastref_to_qemu_multifd(&qemu, Transport::Tcp, 4, 31);
}

#[test]
fn every_byte_of_a_qemu_source_arrives_over_multifd_unix() {
    let Some(qemu) = qemu::find() else { return };
    qemu_to_lastref_multifd(&qemu, Transport::Unix, 2, ReturnPath::Off, 32);
}

#[test]
fn every_byte_of_a_qemu_source_arrives_over_multifd_tcp() {
    let Some(qemu) = qemu::find() else { return };
    qemu_to_lastref_multifd(&qemu, Transport::Tcp, 16, ReturnPath::On, 33);
}

#[test]
fn a_new_qemu_takes_and_gives_every_byte_over_multifd() {
    let Some(qemu) = qemu::find_new() else { return };
    for (transport, channels) in [(Transport::Unix, 1), (Transport::Unix, 3), (Transport::Tcp, 16)]
    {
        lastref_to_qemu_multifd(&qemu, transport, channels, 34);
        qemu_to_lastref_multifd(&qemu, transport, channels, ReturnPath::On, 35);
    }
}

#[test]
fn a_new_qemu_takes_and_gives_every_byte_over_one_channel() {
    let Some(qemu) = qemu::find_new() else { return };
    lastref_to_this_qemu(&qemu, SMALL, Transport::Unix, 36);
    this_qemu_to_lastref(&qemu, SMALL, Transport::Unix, ReturnPath::On, 37);
}

#[test]
fn a_machine_with_another_uuid_than_the_channels_say_is_told_so() {
    for qemu in [qemu::find(), qemu::find_new()].into_iter().flatten() {
        another_uuid_is_told_by_a_channel(&qemu);
    }
}

#[test]
fn a_stream_that_may_hold_dirty_bitmaps_is_received() {
    for qemu in [qemu::find(), qemu::find_new()].into_iter().flatten() {
        a_stream_with(&qemu, "dirty-bitmaps", 40);
    }
}

#[test]
fn a_qemu_source_with_other_channels_than_expected_is_told_so() {
    let Some(qemu) = qemu::find() else { return };
    // Of too many, either the number is told or the first that has no place.
    let too_few = ["the source connected 2 multifd channels, and 4 are expected here"];
    let too_many = ["a channel id below 2 (multifd-channels), found id", "and 2 are expected here"];
    for (there, here, sentences) in [(2, 4, &too_few[..]), (4, 2, &too_many[..])] {
        let image = Image::mixed(38, SMALL);
        let site = site_with(&image);
        let address = Address::new(Transport::Unix, &site);
        let mut destination = receive_over(&site, SMALL, &address.uri(), here);
        address.wait_for_listener(&mut destination);
        let mut source = Qemu::source(&qemu, &site, SMALL, ReturnPath::Off);
        source.use_multifd(there);
        source.migrate(&address.uri());
        let received = destination.finish();
        received.assert_exit(1);
        let told = sentences.iter().any(|sentence| received.stderr.contains(sentence));
        assert!(told, "one of {sentences:?} expected from {received}");
        assert_nothing_left(&site, &received);
    }
}

// A source with a return path is not done before it was told so.

#[test]
fn a_qemu_source_that_waits_for_an_answer_gets_one_over_unix() {
    qemu_to_lastref(SMALL, Transport::Unix, ReturnPath::On, 11);
}

#[test]
fn a_qemu_source_that_waits_for_an_answer_gets_one_over_tcp() {
    qemu_to_lastref(SMALL, Transport::Tcp, ReturnPath::On, 12);
}

// The other kinds of URIs.

#[test]
fn a_qemu_destination_gets_every_byte_over_an_inherited_socket() {
    let Some(qemu) = qemu::find() else { return };
    let image = Image::mixed(13, SMALL);
    let site = site_with(&image);
    let uri = format!("fd:{INHERITED_FD}");
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");

    let mut destination = Qemu::destination(&qemu, &site, image.size(), &uri, Some(theirs.into()));
    let sent = send(&site, &uri, Some(ours.into())).finish();

    assert_completed(&sent, image.size());
    assert_arrived(&site, &image, &mut destination);
}

#[test]
fn every_byte_of_a_qemu_source_arrives_over_an_inherited_socket() {
    let Some(qemu) = qemu::find() else { return };
    let image = Image::mixed(14, SMALL);
    let site = site_with(&image);
    let path = site.scratch().join("migration.sock");
    let listener = UnixListener::bind(&path).expect("a socket to listen at");
    listener.set_nonblocking(true).expect("a socket that does not block");

    let mut source = Qemu::source(&qemu, &site, image.size(), ReturnPath::Off);
    source.migrate(&format!("unix:{}", path.display()));
    let connection = wait::until(
        &mut source,
        |_| listener.accept().ok(),
        |source| format!("a connection from {}", source.program().report()),
    );
    let inherited = OwnedFd::from(connection.0);
    let uri = format!("fd:{INHERITED_FD}");
    let received = receive(&site, image.size(), &uri, Some(inherited)).finish();

    assert_completed(&received, image.size());
    assert_left(&site, &image, &mut source);
}

#[test]
fn a_stream_saved_to_a_file_loads_into_qemu() {
    saved_stream_loads_into_qemu(15, |path| format!("file:{}", path.display()));
}

#[test]
fn a_stream_saved_by_a_command_is_whole_when_send_returns_and_loads_into_qemu() {
    // The copy takes longer than the end of a sender that does not wait for it.
    saved_stream_loads_into_qemu(16, |path| {
        format!("exec:cat > {0}.part && cp {0}.part {0}", path.display())
    });
}

#[test]
fn a_stream_that_qemu_saved_is_received_from_a_file() {
    stream_of_qemu_is_received(17, |path| format!("file:{}", path.display()));
}

#[test]
fn a_stream_that_qemu_saved_is_received_from_a_command() {
    stream_of_qemu_is_received(18, |path| format!("exec:cat {}", path.display()));
}

// What goes wrong.

#[test]
fn a_qemu_destination_of_another_size_makes_send_fail_over_unix() {
    refused_by_qemu(Transport::Unix, &Image::mixed(19, SMALL));
}

#[test]
fn a_qemu_destination_of_another_size_makes_send_fail_over_tcp() {
    refused_by_qemu(Transport::Tcp, &Image::mixed(20, SMALL));
}

/// The stream of a small untouched machine fits into a socket's buffer: only a
/// sender that waits for the destination's answer is sure to learn of the
/// refusal.
#[test]
fn a_refusal_after_the_last_byte_was_written_makes_send_fail() {
    refused_by_qemu(Transport::Unix, &Image::untouched(SMALL / 8));
}

#[test]
fn a_killed_qemu_destination_makes_send_fail_over_unix() {
    destination_is_killed(Transport::Unix, 21);
}

#[test]
fn a_killed_qemu_destination_makes_send_fail_over_tcp() {
    destination_is_killed(Transport::Tcp, 22);
}

#[test]
fn a_killed_qemu_source_makes_receive_fail_and_leaves_no_file_over_unix() {
    source_is_killed(Transport::Unix, ReturnPath::Off, 23);
}

#[test]
fn a_killed_qemu_source_makes_receive_fail_and_leaves_no_file_over_tcp() {
    source_is_killed(Transport::Tcp, ReturnPath::Off, 24);
}

#[test]
fn a_killed_qemu_source_with_a_return_path_leaves_no_file_either() {
    source_is_killed(Transport::Unix, ReturnPath::On, 25);
}

#[test]
fn a_qemu_source_of_a_smaller_size_is_refused_with_both_sizes() {
    source_is_refused(SMALL, 2 * SMALL, ReturnPath::Off, 26);
}

#[test]
fn a_qemu_source_of_a_larger_size_is_refused_with_both_sizes() {
    source_is_refused(SMALL, SMALL / 2, ReturnPath::Off, 27);
}

#[test]
fn a_refused_qemu_source_with_a_return_path_fails_too() {
    source_is_refused(SMALL, SMALL / 2, ReturnPath::On, 28);
}

// What the tests above are made of.

/// The control: the harness with no program of ours in it.
fn qemu_to_qemu(transport: Transport, seed: u64) {
    let Some(qemu) = qemu::find() else { return };
    let image = Image::mixed(seed, SMALL);
    let site = site_with(&image);
    let address = Address::new(transport, &site);

    let mut destination = Qemu::destination(&qemu, &site, image.size(), &address.uri(), None);
    address.wait_for_listener(destination.program());
    let mut source = Qemu::source(&qemu, &site, image.size(), ReturnPath::Off);
    source.migrate(&address.uri());

    assert_left(&site, &image, &mut source);
    assert_arrived(&site, &image, &mut destination);
}

fn lastref_to_qemu(size: u64, transport: Transport, seed: u64) {
    let Some(qemu) = qemu::find() else { return };
    lastref_to_this_qemu(&qemu, size, transport, seed);
}

fn lastref_to_this_qemu(qemu: &Path, size: u64, transport: Transport, seed: u64) {
    let image = Image::mixed(seed, size);
    let site = site_with(&image);
    let address = Address::new(transport, &site);

    let mut destination = Qemu::destination(qemu, &site, size, &address.uri(), None);
    address.wait_for_listener(destination.program());
    let sent = send(&site, &address.uri(), None).finish();

    assert_completed(&sent, size);
    assert_arrived(&site, &image, &mut destination);
}

fn qemu_to_lastref(size: u64, transport: Transport, return_path: ReturnPath, seed: u64) {
    let Some(qemu) = qemu::find() else { return };
    this_qemu_to_lastref(&qemu, size, transport, return_path, seed);
}

fn this_qemu_to_lastref(
    qemu: &Path,
    size: u64,
    transport: Transport,
    return_path: ReturnPath,
    seed: u64,
) {
    let image = Image::mixed(seed, size);
    let site = site_with(&image);
    let address = Address::new(transport, &site);

    let mut destination = receive(&site, size, &address.uri(), None);
    address.wait_for_listener(&mut destination);
    let mut source = Qemu::source(qemu, &site, size, return_path);
    source.migrate(&address.uri());
    let received = destination.finish();

    assert_completed(&received, size);
    assert_left(&site, &image, &mut source);
}

fn lastref_to_qemu_multifd(qemu: &Path, transport: Transport, channels: u8, seed: u64) {
    let image = Image::mixed(seed, SMALL);
    let site = site_with(&image);
    let address = Address::new(transport, &site);

    let mut destination = Qemu::destination(qemu, &site, SMALL, "defer", None);
    destination.use_multifd(channels);
    destination.migrate_incoming(&address.uri());
    let mut command = send_command(&site, &address.uri(), None);
    command.args([format!("--channels={channels}"), format!("--uuid={}", qemu::UUID)]);
    command.args(qemu::dialect_of(qemu));
    let sent = Program::start("lastref-send", command, site.scratch()).finish();

    assert_completed(&sent, SMALL);
    assert_arrived(&site, &image, &mut destination);
}

fn qemu_to_lastref_multifd(
    qemu: &Path,
    transport: Transport,
    channels: u8,
    return_path: ReturnPath,
    seed: u64,
) {
    let image = Image::mixed(seed, SMALL);
    let site = site_with(&image);
    let address = Address::new(transport, &site);

    // Its UUID is told in every other run, and taken from the channels in the others.
    let mut command = receive_command(&site, SMALL, &address.uri(), None);
    command.arg(format!("--channels={channels}"));
    command.args(seed.is_multiple_of(2).then(|| format!("--uuid={}", qemu::UUID)));
    let mut destination = Program::start("lastref-receive", command, site.scratch());
    address.wait_for_listener(&mut destination);
    let mut source = Qemu::source(qemu, &site, SMALL, return_path);
    source.use_multifd(channels);
    source.migrate(&address.uri());
    let received = destination.finish();

    assert_completed(&received, SMALL);
    assert_left(&site, &image, &mut source);
}

fn another_uuid_is_told_by_a_channel(qemu: &Path) {
    let image = Image::mixed(39, SMALL);
    let site = site_with(&image);
    let other = "--uuid=00000000-0000-0000-0000-00000000beef";

    let address = Address::new(Transport::Unix, &site);
    let mut destination = Qemu::destination(qemu, &site, SMALL, "defer", None);
    destination.use_multifd(2);
    destination.migrate_incoming(&address.uri());
    let mut command = send_command(&site, &address.uri(), None);
    command.args(["--channels=2", other]).args(qemu::dialect_of(qemu));
    let sent = Program::start("lastref-send", command, site.scratch()).finish();
    sent.assert_exit(1);
    assert_mentions(&sent, &["closed the connection", "--uuid"]);
    drop(destination);

    let site = site_with(&image);
    let address = Address::new(Transport::Unix, &site);
    let mut command = receive_command(&site, SMALL, &address.uri(), None);
    command.args(["--channels=2", other]);
    let mut destination = Program::start("lastref-receive", command, site.scratch());
    address.wait_for_listener(&mut destination);
    let mut source = Qemu::source(qemu, &site, SMALL, ReturnPath::Off);
    source.use_multifd(2);
    source.migrate(&address.uri());
    let received = destination.finish();
    received.assert_exit(1);
    let told =
        format!("expected UUID 00000000-0000-0000-0000-00000000beef, found UUID {}", qemu::UUID);
    assert!(received.stderr.contains(&told), "{told:?} expected from {received}");
    assert_nothing_left(&site, &received);
}

/// A QEMU saves with `capability`, which changes the stream of a machine without disks little.
fn a_stream_with(qemu: &Path, capability: &str, seed: u64) {
    let image = Image::mixed(seed, SMALL);
    let site = site_with(&image);
    let saved = site.scratch().join("stream");
    let mut source = Qemu::source(qemu, &site, image.size(), ReturnPath::Off);
    source.set_capability(capability);
    source.migrate(&format!("exec:cat > {}", saved.display()));
    source.wait_for_status("completed");
    let uri = format!("file:{}", saved.display());
    let received = receive(&site, image.size(), &uri, None).finish();
    assert_completed(&received, image.size());
    assert_left(&site, &image, &mut source);
}

/// Sends to what `uri` makes of a path; when that is done, QEMU reads the path.
fn saved_stream_loads_into_qemu(seed: u64, uri: impl FnOnce(&Path) -> String) {
    let Some(qemu) = qemu::find() else { return };
    let image = Image::mixed(seed, SMALL);
    let site = site_with(&image);
    let saved = site.scratch().join("stream");

    let sent = send(&site, &uri(&saved), None).finish();
    let length = fs::metadata(&saved).map(|saved| saved.len()).ok();
    assert_completed(&sent, image.size());
    let incoming = format!("exec:cat {}", saved.display());
    let mut destination = Qemu::destination(&qemu, &site, image.size(), &incoming, None);

    assert_arrived(&site, &image, &mut destination);
    let whole = fs::metadata(&saved).map(|saved| saved.len()).ok();
    assert_eq!(length, whole, "length when it returned, of {sent}");
}

/// QEMU saves to a path; when that is done, `uri` says how to receive it.
fn stream_of_qemu_is_received(seed: u64, uri: impl FnOnce(&Path) -> String) {
    let Some(qemu) = qemu::find() else { return };
    let image = Image::mixed(seed, SMALL);
    let site = site_with(&image);
    let saved = site.scratch().join("stream");

    let mut source = Qemu::source(&qemu, &site, image.size(), ReturnPath::Off);
    source.migrate(&format!("exec:cat > {}", saved.display()));
    source.wait_for_status("completed");
    let received = receive(&site, image.size(), &uri(&saved), None).finish();

    assert_completed(&received, image.size());
    assert_left(&site, &image, &mut source);
}

fn refused_by_qemu(transport: Transport, image: &Image) {
    let Some(qemu) = qemu::find() else { return };
    let site = site_with(image);
    let address = Address::new(transport, &site);

    let mut destination = Qemu::destination(&qemu, &site, image.size() / 2, &address.uri(), None);
    address.wait_for_listener(destination.program());
    let sent = send(&site, &address.uri(), None).finish();
    let refused = destination.finish();

    refused.assert_exit(1);
    assert!(refused.stderr.contains("Size mismatch: ram"), "the reason of {refused}");
    sent.assert_exit(1);
    assert_names_a_lost_peer(&sent);
}

fn destination_is_killed(transport: Transport, seed: u64) {
    let Some(qemu) = qemu::find() else { return };
    let _alone = one_large_machine_at_a_time();
    let image = Image::mixed(seed, LARGE);
    let site = site_with(&image);
    let address = Address::new(transport, &site);

    let mut destination = Qemu::destination(&qemu, &site, image.size(), &address.uri(), None);
    address.wait_for_listener(destination.program());
    // The kernel takes the connection and as much as a socket holds, which is
    // less than this image: the sender has begun and cannot be done.
    destination.program().suspend();
    let mut source = send(&site, &address.uri(), None);
    address.wait_for_sender(&mut source);
    destination.program().kill();
    let sent = source.finish();

    sent.assert_exit(1);
    assert_names_a_lost_peer(&sent);
}

fn source_is_killed(transport: Transport, return_path: ReturnPath, seed: u64) {
    let Some(qemu) = qemu::find() else { return };
    let image = Image::mixed(seed, SMALL);
    let site = site_with(&image);
    let address = Address::new(transport, &site);

    let mut destination = receive(&site, image.size(), &address.uri(), None);
    address.wait_for_listener(&mut destination);
    let mut source = Qemu::source(&qemu, &site, image.size(), return_path);
    // A minute for the whole image: it is killed long before.
    source.limit_bandwidth(MIB);
    source.migrate(&address.uri());
    wait::until(
        &mut source,
        |source| {
            let migration = source.migration();
            let sent = migration["ram"]["transferred"].as_u64().unwrap_or(0);
            (migration["status"] == "active" && sent > MIB / 4).then_some(())
        },
        |source| format!("some RAM sent by {}", source.program().report()),
    );
    assert!(
        destination.ended().is_none(),
        "half a stream is no reason to end for {}",
        destination.report()
    );
    source.program().kill();
    let received = destination.finish();

    received.assert_exit(1);
    assert_mentions(&received, &["ram"]);
    assert_mentions(&received, &["offset", "byte", "bytes"]);
    assert_nothing_left(&site, &received);
}

fn source_is_refused(source_size: u64, memory: u64, return_path: ReturnPath, seed: u64) {
    let Some(qemu) = qemu::find() else { return };
    let image = Image::mixed(seed, source_size);
    let site = site_with(&image);
    let address = Address::new(Transport::Unix, &site);

    let mut destination = receive(&site, memory, &address.uri(), None);
    address.wait_for_listener(&mut destination);
    let mut source = Qemu::source(&qemu, &site, source_size, return_path);
    source.migrate(&address.uri());
    let received = destination.finish();

    received.assert_exit(1);
    assert_mentions(&received, &["ram"]);
    assert_mentions(&received, &ways_to_write(memory));
    assert_mentions(&received, &ways_to_write(source_size));
    assert_nothing_left(&site, &received);
    source.wait_for_status("failed");
}

fn site_with(image: &Image) -> Site {
    let site = Site::new(image.size());
    image.write_to(&site.source_ram());
    site
}

fn send(site: &Site, uri: &str, inherited: Option<OwnedFd>) -> Program {
    Program::start("lastref-send", send_command(site, uri, inherited), site.scratch())
}

fn send_command(site: &Site, uri: &str, inherited: Option<OwnedFd>) -> Command {
    let mut command = program::command(&lastref(), inherited);
    command.args(["send", "--json", "--ram"]);
    command.arg(site.source_ram()).arg(uri);
    command
}

fn receive(site: &Site, memory: u64, uri: &str, inherited: Option<OwnedFd>) -> Program {
    let command = receive_command(site, memory, uri, inherited);
    Program::start("lastref-receive", command, site.scratch())
}

/// The same over so many channels beside the main one.
fn receive_over(site: &Site, memory: u64, uri: &str, channels: u8) -> Program {
    let mut command = receive_command(site, memory, uri, None);
    command.arg(format!("--channels={channels}"));
    Program::start("lastref-receive", command, site.scratch())
}

fn receive_command(site: &Site, memory: u64, uri: &str, inherited: Option<OwnedFd>) -> Command {
    let mut command = program::command(&lastref(), inherited);
    command.args(["receive", "--json", "--ram"]);
    command.arg(site.destination_ram());
    command.arg("--memory").arg(with_suffix(memory)).arg(uri);
    command
}

fn lastref() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_lastref"))
}

/// Memory is finite: machines of a GiB take turns.
fn one_large_machine_at_a_time() -> MutexGuard<'static, ()> {
    static LARGE_MACHINE: Mutex<()> = Mutex::new(());
    LARGE_MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails the test unless our program says that it moved `size` bytes of RAM.
#[track_caller]
fn assert_completed(finished: &Finished, size: u64) {
    finished.assert_exit(0);
    let report: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("one JSON object expected ({error}) from {finished}"));
    assert!(report.is_object(), "one JSON object expected from {finished}");
    assert_eq!(report["status"], json!("completed"), "status of {finished}");
    assert_eq!(report["ram"]["total"], json!(size), "total of {finished}");
}

/// Fails the test unless a QEMU destination has all of the image.
#[track_caller]
fn assert_arrived(site: &Site, image: &Image, destination: &mut Qemu) {
    destination.wait_for_status("completed");
    destination.assert_stopped_and_content();
    assert_ram(site, image);
}

/// Fails the test unless a QEMU source has given all of the image.
#[track_caller]
fn assert_left(site: &Site, image: &Image, source: &mut Qemu) {
    source.wait_for_status("completed");
    source.assert_stopped_and_content();
    assert_ram(site, image);
}

/// Fails the test unless both RAM files are the image, and nothing is beside
/// the destination's.
#[track_caller]
fn assert_ram(site: &Site, image: &Image) {
    image.assert_in(&site.source_ram());
    image::assert_same_bytes(&site.source_ram(), &site.destination_ram());
    assert_eq!(site.destination_files(), ["ram"]);
}

#[track_caller]
fn assert_nothing_left(site: &Site, received: &Finished) {
    let files = site.destination_files();
    assert!(files.is_empty(), "{files:?} left by {received}");
}

/// Fails the test unless standard error says that the other end went away.
#[track_caller]
fn assert_names_a_lost_peer(finished: &Finished) {
    assert_mentions(finished, &["peer"]);
    assert_mentions(finished, &["closed", "reset"]);
}

/// Fails the test unless standard error has one of these words, in any case.
#[track_caller]
fn assert_mentions(finished: &Finished, words: &[impl AsRef<str>]) {
    let text = finished.stderr.to_lowercase();
    // A word, not a part of one: `ram` is not in `program`, 64 not in 1640.
    let is_inside = |character: char| character.is_alphanumeric() || character == '_';
    let found = words.iter().any(|word| {
        let word = word.as_ref();
        text.match_indices(word).any(|(start, _)| {
            !text[..start].ends_with(is_inside)
                && !text[start + word.len()..].starts_with(is_inside)
        })
    });
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    assert!(found, "one of {words:?} expected on standard error of {finished}");
}

/// The texts that a person takes for this number of bytes, in lower case.
fn ways_to_write(size: u64) -> Vec<String> {
    let mib = size / MIB;
    vec![
        size.to_string(),
        format!("{size:#x}"),
        format!("{mib}m"),
        format!("{mib} m"),
        format!("{mib}mib"),
        format!("{mib} mib"),
    ]
}

/// A size as `--memory` takes it.
fn with_suffix(size: u64) -> String {
    if size.is_multiple_of(LARGE) {
        format!("{}G", size / LARGE)
    } else {
        format!("{}M", size / MIB)
    }
}
