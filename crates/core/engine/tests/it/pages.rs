//! Pages arrive where they belong, in whatever order they come and wherever the stream is cut.

use std::io::Write;

use engine::{Direction, MigrationStatus, PAGE_WORDS};
use test_support::machine::{Script, Site, attach};
use test_support::peer;
use test_support::stream::{self, RAM, Stream, encoded};
use wire::ram::{BlockRef, PageOffset, RamRecord};
use wire::{Command, Record, TARGET_PAGE_SIZE};

const PAGES: usize = 400;
/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A stream of page records, and what it has to leave of each page: `None` where it brings nothing.
struct Received {
    bytes: Vec<u8>,
    memory: Vec<Option<u64>>,
}

impl Received {
    fn new(random: &mut Random) -> Self {
        let bytes = [peer::head(), peer::memory_start(PAGES, false)].concat();
        let mut stream = Received { bytes, memory: vec![None; PAGES] };
        for _ in 0..1 + random.below(6) {
            stream.part(random);
        }
        stream.bytes.extend(peer::memory_end_and_devices(false));
        stream
    }

    /// Runs of pages, here and there, some of them of zeros.
    fn part(&mut self, random: &mut Random) {
        self.bytes.extend(encoded(&Record::Part { section_id: RAM }));
        let mut block = BlockRef::Named(peer::block());
        for _ in 0..random.below(8) {
            let first = random.below(PAGES);
            let most = if random.below(3) == 0 { PAGES } else { 5 };
            let pages = (1 + random.below(most)).min(PAGES - first);
            let zero = random.below(4) == 0;
            for page in first..first + pages {
                let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
                let block = std::mem::replace(&mut block, BlockRef::Same);
                // Some senders name the block again where they need not.
                let block =
                    if random.below(50) == 0 { BlockRef::Named(peer::block()) } else { block };
                let value = if zero { 0 } else { random.next() };
                if zero {
                    self.bytes.extend(encoded(&RamRecord::Zero { offset, block }));
                } else {
                    self.bytes.extend(encoded(&RamRecord::Page { offset, block }));
                    for word in 0..PAGE_WORDS {
                        self.bytes.extend(word_of(value, word).to_ne_bytes());
                    }
                }
                self.memory[page] = Some(value);
            }
        }
        self.bytes.extend(peer::end_of_section(false));
    }
}

/// What word `word` of a page holds that was sent for `value`.
fn word_of(value: u64, word: usize) -> u64 {
    value.wrapping_mul(word as u64 | 1)
}

#[test]
fn pages_in_any_order_and_cut_anywhere_arrive_where_they_belong() {
    const BEFORE: u64 = 0xdead;
    let mut thread = attach();
    for seed in 0..60 {
        let random = &mut Random(seed);
        let stream = Received::new(random);
        let site = Site::destination(PAGES, Script::default());
        for page in 0..PAGES {
            site.machine.write(page, BEFORE);
        }
        let (endpoint, mut source) = peer::pair();
        site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
        let mut rest = stream.bytes.as_slice();
        while !rest.is_empty() {
            let most = [9, 5000, 1 << 20][random.below(3)];
            let (piece, later) = rest.split_at(rest.len().min(1 + random.below(most)));
            source.write_all(piece).expect("a destination that reads");
            rest = later;
        }
        drop(source);
        let status = site.end(&mut thread, Direction::Incoming);
        let error = site.error(Direction::Incoming);
        assert_eq!(status, MigrationStatus::Completed, "seed {seed}: {error:?}");

        let contents = site.machine.contents();
        for (page, (words, sent)) in contents.chunks(PAGE_WORDS).zip(&stream.memory).enumerate() {
            let holds = |value: u64| {
                words.iter().enumerate().all(|(word, found)| *found == word_of(value, word))
            };
            let untouched = words[0] == BEFORE && words[1..].iter().all(|word| *word == 0);
            let right = match sent {
                Some(value) => holds(*value),
                None => untouched,
            };
            assert!(right, "seed {seed}, page {page}: {sent:x?}, {:x?}", &words[..4]);
        }
    }
}

#[test]
fn a_stream_that_ends_within_memory_says_where() {
    let mut thread = attach();
    let random = &mut Random(1);
    let stream = Received::new(random);
    for _ in 0..100 {
        let cut = random.below(stream.bytes.len() - 1);
        let site = Site::destination(PAGES, Script::default());
        let (endpoint, mut source) = peer::pair();
        site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
        source.write_all(&stream.bytes[..cut]).expect("a destination that reads");
        drop(source);
        assert_eq!(site.end(&mut thread, Direction::Incoming), MigrationStatus::Failed, "{cut}");
        let error = site.error(Direction::Incoming).expect("an error");
        assert!(error.contains("found end of stream after"), "cut at {cut}: {error}");
        let at = error.split("at byte ").nth(1).and_then(|rest| rest.split([',', ':']).next());
        let at: usize = at.and_then(|at| at.parse().ok()).expect("an offset");
        assert!(at <= cut && cut - at < TARGET_PAGE_SIZE, "cut at {cut}: {error}");
    }
}

#[test]
fn a_flush_in_a_stream_without_multifd_is_no_error() {
    let mut thread = attach();
    let site = Site::destination(PAGES, Script::default());
    let (endpoint, mut source) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    let stream =
        [peer::head(), peer::memory_start(PAGES, true), peer::memory_end_and_devices(true)];
    source.write_all(&stream.concat()).expect("a destination that reads");
    drop(source);
    let status = site.end(&mut thread, Direction::Incoming);
    let error = site.error(Direction::Incoming);
    assert_eq!(status, MigrationStatus::Completed, "{error:?}");
}

/// How a migration to here ends that is sent `bytes`, and its error.
fn end_of(bytes: &[u8]) -> (MigrationStatus, String) {
    let mut thread = attach();
    let site = Site::destination(4, Script::default());
    let (endpoint, mut peer) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    peer.write_all(bytes).expect("room in the socket");
    drop(peer);
    let status = site.end(&mut thread, Direction::Incoming);
    (status, site.error(Direction::Incoming).unwrap_or_default())
}

#[test]
fn memory_without_an_end_is_whole_if_each_page_came_as_in_a_background_snapshot() {
    let snapshot = |pages: &[usize]| {
        let mut out = [peer::head(), peer::memory_start(4, false)].concat();
        out.extend(encoded(&Record::Part { section_id: RAM }));
        for page in pages {
            let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
            let block = BlockRef::Named(peer::block());
            out.extend(encoded(&RamRecord::Zero { offset, block }));
        }
        out.extend(peer::end_of_section(false));
        [out, peer::devices()].concat()
    };
    assert_eq!(end_of(&snapshot(&[0, 1, 2, 3])), (MigrationStatus::Completed, String::new()));
    // One is missing, though as many came.
    for pages in [&[0, 1, 2][..], &[0, 1, 2, 2]] {
        let (status, error) = end_of(&snapshot(pages));
        assert_eq!(status, MigrationStatus::Failed);
        assert!(error.contains("expected END of section \"ram\", or each of its pages"), "{error}");
    }
}

#[test]
fn a_source_that_may_send_dirty_bitmaps_is_taken_and_one_that_does_is_refused() {
    let stream = |flags: u8| {
        let advise = encoded(&Record::Command(Command::PostcopyAdvise(None)));
        let begin = Stream::default()
            .piece(&Record::Start(stream::header("dirty-bitmap", 9, 1)))
            .raw(&[flags])
            .footer(9)
            .bytes;
        let end = Stream::default().end(9).raw(&[flags]).footer(9).bytes;
        let memory = peer::memory_start(4, false);
        [peer::head(), advise, memory, begin, end, peer::memory_end_and_devices(false)].concat()
    };
    assert_eq!(end_of(&stream(0x01)), (MigrationStatus::Completed, String::new()));
    let (status, error) = end_of(&stream(0x02));
    assert_eq!(status, MigrationStatus::Failed);
    assert!(
        error.contains("expected no dirty bitmap, as there are no disks, found 0x02"),
        "{error}"
    );
}
