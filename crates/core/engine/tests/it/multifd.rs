//! Pages over the channels of multifd: all arrive, and a channel that is not as it has to be ends
//! the migration with words that say how.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use bql::BqlUnlocked;
use engine::{
    Direction, MigrationCapabilities, MigrationParameters, MigrationStatus, PAGE_WORDS, RunState,
    Uri, ZeroPageDetection,
};
use rustix::event::{PollFd, PollFlags, poll};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Machine, Script, Site, attach};
use test_support::peer;
use test_support::stream::encoded;
use test_support::wait::DEADLINE;
use wire::multifd::{MultifdInit, MultifdPacket};
use wire::ram::PageOffset;
use wire::{IdStr, TARGET_PAGE_SIZE, Uuid};

use crate::transfer::{assert_arrived, transfer};

const PAGES: usize = 1000;

pub(crate) fn use_multifd(site: &Site, thread: &mut BqlUnlocked, parameters: MigrationParameters) {
    let bql = thread.lock();
    let capabilities = MigrationCapabilities { multifd: true, ..Default::default() };
    site.object.set_capabilities(&bql, capabilities).expect("an idle object");
    site.object.set_parameters(&bql, parameters).expect("parameters in their range");
}

pub(crate) fn channels(multifd_channels: u8) -> MigrationParameters {
    MigrationParameters { multifd_channels, max_bandwidth: 0, ..Default::default() }
}

/// A machine that writes to every third page in each of its first passes, and zeros some.
pub(crate) fn busy_source(pages: usize) -> Site {
    let sync = move |machine: &Machine, dirty: &mut engine::DirtyBitmap| {
        let pass = machine.count("sync");
        for page in (pass..pages).step_by(3).take_while(|_| pass < 5) {
            machine.write(page, if page % 5 == 0 { 0 } else { (page * pass) as u64 });
            dirty.merge(page / 64, 1 << (page % 64));
        }
        Ok(())
    };
    Site::source(pages, Script { sync: Some(Box::new(sync)), ..Script::default() })
}

#[test]
fn a_machine_that_writes_moves_over_any_number_of_channels_in_either_dialect() {
    let folder = TempDir::new().expect("a folder");
    for (count, flush_after_each_section, zero_page_detection) in [
        (1, false, ZeroPageDetection::Multifd),
        (2, false, ZeroPageDetection::Multifd),
        (16, false, ZeroPageDetection::Multifd),
        (2, true, ZeroPageDetection::Legacy),
        (3, true, ZeroPageDetection::Multifd),
        (2, false, ZeroPageDetection::Legacy),
    ] {
        for uri in [Uri::Unix(folder.path().join("socket")), Uri::Tcp("127.0.0.1:0".into())] {
            let (source, destination) =
                (busy_source(PAGES), Site::destination(PAGES, Script::default()));
            let mut thread = attach();
            let parameters = MigrationParameters {
                multifd_flush_after_each_section: flush_after_each_section,
                zero_page_detection,
                ..channels(count)
            };
            use_multifd(&source, &mut thread, parameters);
            use_multifd(&destination, &mut thread, channels(count));
            drop(thread);
            transfer(&source, &destination, uri);
            assert_arrived(&source, &destination, RunState::Running);

            let sent = source.observer(Direction::Outgoing).info();
            let received = destination.observer(Direction::Incoming).info();
            assert_eq!((sent.normal, sent.duplicate), (received.normal, received.duplicate));
            assert!(sent.dirty_sync_count > 2 && sent.duplicate > 0, "{sent:?}");
            let pages = sent.normal * TARGET_PAGE_SIZE as u64;
            assert!(sent.transferred > pages && received.transferred > pages, "{received:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "no socket left");
}

/// A source that the test plays, up to the end of the first section.
struct Source {
    main: UnixStream,
    channels: Vec<UnixStream>,
}

fn init(id: u8) -> Vec<u8> {
    encoded(&MultifdInit { uuid: Uuid::nil(), id })
}

fn sync() -> Vec<u8> {
    encoded(&MultifdPacket::sync(0))
}

/// A packet of one page, at `page` of the block `block`.
fn one_page(block: &str, page: usize) -> Vec<u8> {
    let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
    let block = IdStr::new(block).expect("a short name");
    let mut out = encoded(&MultifdPacket::pages(0, block, &[offset], &[]));
    out.resize(out.len() + TARGET_PAGE_SIZE, 7);
    out
}

impl Source {
    /// Connects the main channel, and others that say `inits`. The main one says at once that it
    /// is that: what comes after it is a channel beside it, whatever it says.
    fn connect(folder: &TempDir, inits: &[Vec<u8>]) -> Source {
        let path = folder.path().join("socket");
        let mut main = UnixStream::connect(&path).expect("a destination that waits");
        main.write_all(&peer::head()).expect("room in the socket");
        let channels = inits
            .iter()
            .map(|init| {
                let mut channel = UnixStream::connect(&path).expect("a destination that waits");
                channel.write_all(init).expect("room in the socket");
                channel
            })
            .collect();
        Source { main, channels }
    }

    /// Says something on each channel, if it is still there.
    fn say_on_channels(&mut self, bytes: &[u8]) {
        for channel in &mut self.channels {
            let _ = channel.write_all(bytes);
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        let _ = self.main.write_all(bytes);
    }

    fn start(&mut self) {
        self.say(&peer::memory_start(PAGES, true));
    }
}

/// A destination that waits for a source with two channels.
fn waiting(folder: &TempDir, thread: &mut BqlUnlocked) -> Site {
    let site = Site::destination(PAGES, Script::default());
    use_multifd(&site, thread, channels(2));
    let uri = Uri::Unix(folder.path().join("socket"));
    site.migrate_incoming(thread, uri).expect("an idle object");
    let observer = site.observer(Direction::Incoming);
    observer.wait(thread, DEADLINE, |_, info| info.socket_address.is_some());
    site
}

#[test]
fn a_source_with_its_channels_in_any_order_is_taken() {
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let site = waiting(&folder, &mut thread);
    let path = folder.path().join("socket");
    let connect = || UnixStream::connect(&path).expect("a destination that waits");
    // The main channel is the last to come.
    let mut early = [connect(), connect()];
    for (channel, id) in early.iter_mut().zip([1, 0]) {
        channel.write_all(&init(id)).expect("room in the socket");
    }
    let mut source = Source { main: connect(), channels: early.into() };
    source.say_on_channels(&sync());
    source.say(&peer::head());
    source.start();
    source.channels[0].write_all(&one_page("memory", 3)).expect("a destination that reads");
    source.say_on_channels(&sync());
    source.say(&peer::memory_end_and_devices(true));
    drop(source);
    let status = site.end(&mut thread, Direction::Incoming);
    assert_eq!(status, MigrationStatus::Completed, "{:?}", site.error(Direction::Incoming));
    let contents = site.machine.contents();
    let page = &contents[3 * PAGE_WORDS..4 * PAGE_WORDS];
    assert!(page.iter().all(|word| *word == 0x0707_0707_0707_0707), "{:x?}", &page[..4]);
}

#[test]
fn channels_of_a_source_that_went_before_its_main_one_spoke_are_not_the_next_ones() {
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let site = waiting(&folder, &mut thread);
    let path = folder.path().join("socket");
    for id in [0, 1] {
        let mut gone = UnixStream::connect(&path).expect("a destination that waits");
        gone.write_all(&init(id)).expect("room in the socket");
        gone.shutdown(Shutdown::Write).expect("a connection");
        // It is closed with its number unread.
        let end = gone.read(&mut [0]).expect_err("nothing is said on it");
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }
    let mut source = Source::connect(&folder, &[init(0), init(1)]);
    source.say_on_channels(&[sync(), sync()].concat());
    source.start();
    source.say(&peer::memory_end_and_devices(true));
    drop(source);
    let status = site.end(&mut thread, Direction::Incoming);
    assert_eq!(status, MigrationStatus::Completed, "{:?}", site.error(Direction::Incoming));
}

#[test]
fn a_main_channel_that_speaks_after_many_others_have_come_is_the_sources() {
    // QEMU connects all channels at once, and its main channel says nothing before they are there.
    const CHANNELS: u8 = 200;
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let site = Site::destination(PAGES, Script::default());
    use_multifd(&site, &mut thread, channels(CHANNELS));
    let uri = Uri::Unix(folder.path().join("socket"));
    site.migrate_incoming(&mut thread, uri).expect("an idle object");
    let observer = site.observer(Direction::Incoming);
    observer.wait(&mut thread, DEADLINE, |_, info| info.socket_address.is_some());

    let path = folder.path().join("socket");
    let connect = || UnixStream::connect(&path).expect("a destination that waits");
    let main = connect();
    let mut source = Source { main, channels: (0..CHANNELS).map(|_| connect()).collect() };
    for (channel, id) in source.channels.iter_mut().zip(0..) {
        channel.write_all(&init(id)).expect("a destination that reads");
    }
    source.say_on_channels(&[sync(), sync()].concat());
    source.say(&peer::head());
    source.start();
    source.say(&peer::memory_end_and_devices(true));
    drop(source);
    let status = site.end(&mut thread, Direction::Incoming);
    assert_eq!(status, MigrationStatus::Completed, "{:?}", site.error(Direction::Incoming));
}

#[test]
fn a_packet_without_pages_after_the_last_sync_is_no_error() {
    // As QEMU 7.2 sends it.
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let site = waiting(&folder, &mut thread);
    let mut source = Source::connect(&folder, &[init(0), init(1)]);
    let nothing = encoded(&MultifdPacket::pages(0, peer::block(), &[], &[]));
    source.say_on_channels(&[sync(), nothing.clone(), sync(), nothing].concat());
    source.start();
    source.say(&peer::memory_end_and_devices(true));
    drop(source);
    let status = site.end(&mut thread, Direction::Incoming);
    assert_eq!(status, MigrationStatus::Completed, "{:?}", site.error(Direction::Incoming));
}

/// What the channels say first, what they say after START, and the error.
type Fault = (&'static str, Vec<Vec<u8>>, Vec<u8>, &'static str);

fn faults() -> Vec<Fault> {
    let good = || vec![init(0), init(1)];
    let two_syncs = [sync(), sync()].concat();
    vec![
        (
            "a channel is missing",
            vec![init(0)],
            sync(),
            "the source connected 1 multifd channels, and 2 are expected here (multifd-channels)",
        ),
        (
            "a channel comes twice",
            vec![init(1), init(1)],
            sync(),
            "not a channel that is waited for: at byte 24: expected each channel id once, found id 1 \
             a second time",
        ),
        (
            "a channel says the id that is one too high",
            vec![init(0), init(2)],
            sync(),
            "at byte 24: expected a channel id below 2 (multifd-channels), found id 2",
        ),
        (
            "there is one channel more",
            vec![init(0), init(1), init(2)],
            sync(),
            "at byte 24: expected a channel id below 2 (multifd-channels), found id 2",
        ),
        (
            "a channel is of another machine",
            vec![init(0), encoded(&MultifdInit { uuid: Uuid::from_bytes([1; 16]), id: 1 })],
            sync(),
            "at byte 8: expected UUID 00000000-0000-0000-0000-000000000000, found UUID 01010101-",
        ),
        (
            "there are two main channels",
            vec![init(0), peer::head().repeat(3)],
            sync(),
            "at byte 0: expected magic 0x11223344 of a multifd packet, found 0x5145564d",
        ),
        (
            "the channels end before they are in step",
            good(),
            sync(),
            "the source closed multifd channel",
        ),
        (
            "a packet is for a block that is not there",
            good(),
            [sync(), one_page("rom", 0)].concat(),
            "cannot be loaded: at byte 1344: expected RAM blocks \"memory\" (0x3e8000 bytes), found \
             RAM block \"rom\"",
        ),
        (
            "a page lies beyond its block",
            good(),
            [sync(), one_page("memory", PAGES)].concat(),
            "expected an offset below 0x3e8000 in RAM block \"memory\", found 0x3e8000",
        ),
        (
            "a channel ends within a page",
            good(),
            { [sync(), one_page("memory", 0)].concat()[..3000].to_vec() },
            "expected the bytes of a page, found end of stream",
        ),
        (
            "pages come after the end",
            good(),
            [two_syncs, one_page("memory", 0)].concat(),
            "no pages after the last SYNC packet",
        ),
    ]
}

#[test]
fn a_channel_that_is_not_as_it_has_to_be_is_a_clear_error() {
    let mut thread = attach();
    for (what, inits, said, expected) in faults() {
        let folder = TempDir::new().expect("a folder");
        let site = waiting(&folder, &mut thread);
        let mut source = Source::connect(&folder, &inits);
        source.say_on_channels(&said);
        source.start();
        source.say(&peer::memory_end_and_devices(true));
        for channel in &source.channels {
            let _ = channel.shutdown(std::net::Shutdown::Write);
        }
        let status = site.end(&mut thread, Direction::Incoming);
        let error = site.error(Direction::Incoming).unwrap_or_default();
        assert_eq!(status, MigrationStatus::Failed, "{what}: {error}");
        assert!(error.contains(expected), "{what}: {error}");
        assert_eq!(site.machine.run_state(), RunState::InMigrate, "{what}");
        let left = std::fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 0, "{what}: no socket left");
    }
}

#[test]
fn a_uri_that_has_one_channel_is_refused_at_either_end() {
    let mut thread = attach();
    let site = Site::source(1, Script::default());
    use_multifd(&site, &mut thread, channels(2));
    for direction in [Direction::Outgoing, Direction::Incoming] {
        let (endpoint, _peer) = peer::pair();
        match direction {
            Direction::Outgoing => site.migrate(&mut thread, endpoint),
            Direction::Incoming => {
                site.machine.set_run_state(RunState::InMigrate);
                site.migrate_incoming(&mut thread, endpoint)
            }
        }
        .expect("an idle object");
        assert_eq!(site.end(&mut thread, direction), MigrationStatus::Failed);
        assert_eq!(
            site.error(direction).expect("an error"),
            "multifd needs a URI that can be connected to more than once, and fd:0 is not one"
        );
    }
}

#[test]
fn cancel_ends_a_destination_whose_channels_stall_wherever_they_do() {
    let mut thread = attach();
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    for (what, inits, said) in [
        ("no channel says anything", vec![Vec::new(), Vec::new()], Vec::new()),
        ("half of who it is", vec![init(0), half(init(1))], Vec::new()),
        ("not in step", vec![init(0), init(1)], Vec::new()),
        ("half a packet", vec![init(0), init(1)], [sync(), half(one_page("memory", 0))].concat()),
    ] {
        let folder = TempDir::new().expect("a folder");
        let site = waiting(&folder, &mut thread);
        let mut source = Source::connect(&folder, &inits);
        source.say_on_channels(&said);
        source.start();
        let observer = site.observer(Direction::Incoming);
        observer.wait(&mut thread, DEADLINE, |status, _| status == MigrationStatus::Active);
        site.cancel(&mut thread, Direction::Incoming);
        let status = site.end(&mut thread, Direction::Incoming);
        assert_eq!(
            status,
            MigrationStatus::Cancelled,
            "{what}: {:?}",
            site.error(Direction::Incoming)
        );
    }
}

/// A destination that takes the main channel and two others, and does what the test wants.
fn listen(folder: &TempDir) -> (Uri, UnixListener) {
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    (Uri::Unix(path), listener)
}

#[test]
fn cancel_ends_a_source_whose_channels_nobody_reads() {
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let (uri, listener) = listen(&folder);
    let source = Site::source(MANY_PAGES, Script::default());
    use_multifd(&source, &mut thread, channels(2));
    source.migrate(&mut thread, uri).expect("an idle object");
    let _taken: Vec<_> = (0..3).map(|_| listener.accept().expect("a source")).collect();
    source.wait_until_active(&mut thread);
    source.cancel(&mut thread, Direction::Outgoing);
    let status = source.end(&mut thread, Direction::Outgoing);
    assert_eq!(status, MigrationStatus::Cancelled, "{:?}", source.error(Direction::Outgoing));
    source.assert_runs_on();
}

#[test]
fn a_source_that_loses_one_channel_fails_with_the_cause_and_runs_on() {
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let (uri, listener) = listen(&folder);
    let source = Site::source(MANY_PAGES, Script::default());
    use_multifd(&source, &mut thread, channels(2));
    source.migrate(&mut thread, uri).expect("an idle object");
    let mut taken: Vec<_> = (0..3).map(|_| listener.accept().expect("a source")).collect();
    source.wait_until_active(&mut thread);
    // The others stay, and nobody reads them.
    drop(taken.remove(1));
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.contains("and then closed the connection"), "{error}");
    source.assert_runs_on();
}

#[test]
fn a_channel_that_nobody_takes_is_told_by_its_number() {
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let (uri, listener) = listen(&folder);
    // The main channel is all that it has room for.
    rustix::net::listen(&listener, 0).expect("a shorter queue");
    let source = Site::source(PAGES, Script::default());
    use_multifd(&source, &mut thread, channels(3));
    source.migrate(&mut thread, uri).expect("an idle object");
    let mut fds = [PollFd::new(&listener, PollFlags::IN)];
    poll(&mut fds, None).expect("a source");
    drop(listener);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.starts_with("multifd channel 0 of 3 cannot be connected to"), "{error}");
    source.assert_runs_on();
}

#[test]
fn every_count_that_a_channel_had_is_given_back() {
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let (source, destination) = (busy_source(PAGES), Site::destination(PAGES, Script::default()));
    for site in [&source, &destination] {
        use_multifd(site, &mut thread, channels(4));
    }
    drop(thread);
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));
    let mut thread = attach();
    for site in [source, destination] {
        let life = site.object.life().clone();
        drop(site);
        assert!(life.wait_until_dropped(&mut thread, DEADLINE), "{:?}", life.events());
        // Whose, in the order of the names: the thread's of the main channel and the channels'.
        let whose = |kind| {
            let events = life.events().into_iter().filter(|event| event.what == kind);
            let mut holders: Vec<String> = events.map(|event| event.holder).collect();
            holders.sort();
            holders
        };
        let counted = whose(engine::LifeEventKind::Counted);
        assert_eq!(counted.len(), 1 + 4, "{counted:?}");
        assert_eq!(whose(engine::LifeEventKind::GivenBack), counted);
    }
}

/// The most there can be.
#[test]
fn a_machine_moves_over_255_channels() {
    let folder = TempDir::new().expect("a folder");
    let (source, destination) = (busy_source(PAGES), Site::destination(PAGES, Script::default()));
    let mut thread = attach();
    for site in [&source, &destination] {
        use_multifd(site, &mut thread, channels(255));
    }
    drop(thread);
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));
    assert_arrived(&source, &destination, RunState::Running);
}

/// A network cuts packets anywhere, between two fields too.
#[test]
fn a_packet_that_comes_in_pieces_is_taken() {
    for cut in [4, 12, 64, 320, 328, 1000, 1340, 1344, 1348] {
        let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
        let site = waiting(&folder, &mut thread);
        let mut source = Source::connect(&folder, &[init(0), init(1)]);
        source.say_on_channels(&sync());
        source.start();
        let packet = one_page("memory", 3);
        source.channels[0].write_all(&packet[..cut]).expect("a destination that reads");
        std::thread::sleep(std::time::Duration::from_millis(100));
        source.channels[0].write_all(&packet[cut..]).expect("a destination that reads");
        source.say_on_channels(&sync());
        source.say(&peer::memory_end_and_devices(true));
        drop(source);
        let status = site.end(&mut thread, Direction::Incoming);
        let error = site.error(Direction::Incoming);
        assert_eq!(status, MigrationStatus::Completed, "cut at {cut}: {error:?}");
    }
}

/// The same for the first packet of a channel.
#[test]
fn an_init_packet_that_comes_in_pieces_is_taken() {
    for cut in [4, 8, 24, 25, 60] {
        let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
        let site = waiting(&folder, &mut thread);
        let begin = init(0)[..cut].to_vec();
        let mut source = Source::connect(&folder, &[begin, init(1)]);
        source.start();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let rest = [init(0)[cut..].to_vec(), sync()].concat();
        source.channels[0].write_all(&rest).expect("a destination that reads");
        source.channels[1].write_all(&sync()).expect("a destination that reads");
        source.say_on_channels(&sync());
        source.say(&peer::memory_end_and_devices(true));
        drop(source);
        let status = site.end(&mut thread, Direction::Incoming);
        let error = site.error(Direction::Incoming);
        assert_eq!(status, MigrationStatus::Completed, "cut at {cut}: {error:?}");
    }
}

/// `max-bandwidth` is that of all channels together.
#[test]
fn the_channels_keep_to_the_bandwidth() {
    const LIMIT: u64 = 16 << 20;
    const BYTES: usize = 64 << 20;
    let folder = TempDir::new().expect("a folder");
    let pages = BYTES / TARGET_PAGE_SIZE;
    let sites =
        (Site::source(pages, Script::default()), Site::destination(pages, Script::default()));
    let (source, destination) = &sites;
    for page in 0..pages {
        source.machine.write(page, 1);
    }
    let mut thread = attach();
    for site in [source, destination] {
        let parameters = MigrationParameters { max_bandwidth: LIMIT, ..channels(16) };
        use_multifd(site, &mut thread, parameters);
    }
    drop(thread);
    let began = std::time::Instant::now();
    transfer(source, destination, Uri::Unix(folder.path().join("socket")));
    let took = began.elapsed().as_secs_f64();
    let rate = BYTES as f64 / took / (1 << 20) as f64;
    assert!(rate < 1.25 * 16.0, "{rate:.1} MiB/s in {took:.2} s, and 16 MiB/s is the limit");
}

/// Too many channels is not the right number of them.
#[test]
fn a_channel_too_many_before_the_main_one_is_said_to_be_that() {
    let (folder, mut thread) = (TempDir::new().expect("a folder"), attach());
    let site = waiting(&folder, &mut thread);
    let path = folder.path().join("socket");
    let early: Vec<_> = (0..3)
        .map(|id| {
            let mut channel = UnixStream::connect(&path).expect("a destination that waits");
            channel.write_all(&init(id)).expect("room in the socket");
            channel
        })
        .collect();
    assert_eq!(site.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
    drop(early);
    let error = site.error(Direction::Incoming).expect("an error");
    assert!(error.contains("connected 3 multifd channels, and 2 are expected"), "{error}");
}
