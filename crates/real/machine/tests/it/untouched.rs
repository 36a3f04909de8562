//! Memory that nobody has written to is known without reading it, and no other is taken for it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use machine::{DirtyTracking, Ram};
use migration::{DirtyLog, GuestMemory, PAGE_WORDS};
use rustix::mm::{Advice, madvise};

use crate::kinds::{KINDS, Kind, Random};

const PAGES: usize = 2000;

/// The untouched ranges: ascending, apart, and within memory.
fn untouched(ram: &Ram) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    ram.each_untouched(&mut |pages| {
        let end = ranges.last().map_or(0, |range| range.end);
        assert!(pages.start >= end && pages.start < pages.end, "{pages:?} after {end}");
        assert!(pages.end <= PAGES, "{pages:?}");
        ranges.push(pages);
    });
    ranges
}

fn is_untouched(ram: &Ram, page: usize) -> bool {
    untouched(ram).iter().any(|range| range.contains(&page))
}

fn store(ram: &Ram, page: usize, value: u64) {
    ram.words()[page * PAGE_WORDS + page % PAGE_WORDS].store(value, Ordering::Relaxed);
}

/// Whether the holes of such files are known here: a folder for temporary files may be in any
/// file system.
fn is_known(kind: Kind) -> bool {
    let known = is_untouched(&kind.ram(PAGES), 0);
    if !known {
        println!("SKIPPED: nothing is known of {kind:?}");
        assert!(
            matches!(kind, Kind::SharedFile | Kind::PrivateFile | Kind::PrivateMemory),
            "{kind:?}"
        );
    }
    known
}

#[test]
fn fresh_memory_is_one_range() {
    for kind in KINDS.into_iter().filter(|kind| is_known(*kind)) {
        assert_eq!(untouched(&kind.ram(PAGES)), slice::from_ref(&(0..PAGES)), "{kind:?}");
    }
}

/// Words of 8 bytes cannot tell 4096 bytes from 4103.
#[test]
fn memory_with_a_part_of_a_page_is_refused() {
    let file = tempfile::tempfile().expect("a file");
    for bytes in (4097..4105).chain([1, 7, 8, 4095, 3 * 4096 + 100]) {
        file.set_len(bytes).expect("room");
        for ram in [Ram::anonymous(bytes as usize), Ram::shared(&file), Ram::private(&file)] {
            let error = ram.expect_err("no whole number of pages");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().ends_with(&format!("not {bytes} bytes")), "{error}");
        }
    }
}

#[test]
fn written_pages_are_left_out() {
    for kind in KINDS.into_iter().filter(|kind| is_known(*kind)) {
        let ram = kind.ram(PAGES);
        for page in [0, 700, 701, PAGES - 1] {
            store(&ram, page, 1);
        }
        // Blocks of a file may be larger than pages.
        for page in [0, 700, 701, PAGES - 1] {
            assert!(!is_untouched(&ram, page), "{page} of {kind:?}");
        }
        assert!(is_untouched(&ram, 400), "{kind:?}");
        if kind == Kind::Anonymous {
            assert_eq!(untouched(&ram), [1..700, 702..PAGES - 1]);
        }
    }
}

#[test]
fn what_is_not_zero_is_never_reported() {
    for kind in KINDS {
        for seed in 1..20 {
            let mut random = Random::new(seed);
            let file = kind.file(PAGES);
            for _ in 0..random.below(300) {
                let place = (random.below(PAGES) * 4096 + random.below(4096)) as u64;
                if let Some(file) = &file {
                    file.write_all_at(&[7], place).expect("a file with room");
                }
            }
            let ram = kind.map(file.as_ref(), PAGES);
            for _ in 0..random.below(1000) {
                let page = random.below(PAGES);
                match random.below(3) {
                    0 => store(&ram, page, 0),
                    1 => store(&ram, page, 1),
                    _ => drop(ram.words()[page * PAGE_WORDS].load(Ordering::Relaxed)),
                }
            }
            if random.below(2) == 0 {
                let words = ram.words();
                // SAFETY: contents stay as they are, wherever they are kept.
                let _ = unsafe {
                    madvise(
                        words.as_ptr().cast_mut().cast(),
                        size_of_val(words),
                        Advice::LinuxPageOut,
                    )
                };
            }
            for pages in untouched(&ram) {
                let words = &ram.words()[pages.start * PAGE_WORDS..pages.end * PAGE_WORDS];
                assert!(
                    words.iter().all(|word| word.load(Ordering::Relaxed) == 0),
                    "{pages:?} of {kind:?}, seed {seed}"
                );
            }
        }
    }
}

/// What was stored before the question is not in the answer, though others store meanwhile.
#[test]
fn what_was_written_before_is_not_reported_while_a_thread_writes() {
    for kind in KINDS {
        let ram = kind.ram(PAGES);
        let (done, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Every page once, far from the one before.
                for index in 0..PAGES {
                    store(&ram, index * 1237 % PAGES, 1);
                    done.store(index + 1, Ordering::Release);
                }
                over.store(true, Ordering::Relaxed);
            });
            while !over.load(Ordering::Relaxed) {
                let written = done.load(Ordering::Acquire);
                let ranges = untouched(&ram);
                for index in 0..written {
                    let page = index * 1237 % PAGES;
                    assert!(
                        !ranges.iter().any(|range| range.contains(&page)),
                        "page {page} of {kind:?}"
                    );
                }
            }
        });
        assert_eq!(untouched(&ram), [], "{kind:?}");
    }
}

/// The engine starts the log first and asks after.
#[test]
fn a_log_that_was_started_hides_nothing() {
    for kind in KINDS.into_iter().filter(|kind| is_known(*kind)) {
        let ram = kind.ram(PAGES);
        let (mut tracking, _) = DirtyTracking::choose(&ram);
        store(&ram, 9, 1);
        tracking.start().expect("a log");
        assert!(!is_untouched(&ram, 9), "{kind:?}");
        assert!(is_untouched(&ram, 400), "{kind:?}");
        tracking.take_written(&mut |_| ()).expect("a log");
        assert!(is_untouched(&ram, 400), "{kind:?}");
    }
}

#[test]
fn memory_that_was_only_read_may_still_be_known() {
    for kind in KINDS.into_iter().filter(|kind| is_known(*kind)) {
        let ram = kind.ram(PAGES);
        for words in ram.words().chunks_exact(PAGE_WORDS) {
            assert_eq!(words[0].load(Ordering::Relaxed), 0, "{kind:?}");
        }
        let known: usize = untouched(&ram).iter().map(Range::len).sum();
        println!("{known} of {PAGES} pages of {kind:?} after they were read");
        if kind == Kind::PrivateFile {
            // As `lastref send --prealloc` leaves it. A file in memory loses a hole to a read.
            assert_ne!(known, 0, "{kind:?}");
        }
    }
}

#[test]
fn memory_that_was_made_to_be_there_holds_what_it_held_and_can_be_left() {
    for kind in KINDS {
        let ram = kind.ram(PAGES);
        store(&ram, 7, 5);
        ram.preallocate(|| false).expect("memory");
        assert_eq!(is_untouched(&ram, 8), is_known(kind), "left before the first page, {kind:?}");
        ram.preallocate(|| true).expect("memory");
        let sum: u64 = ram.words().iter().map(|word| word.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 5, "{kind:?}");
        if !matches!(kind, Kind::PrivateMemory | Kind::PrivateFile) {
            assert_eq!(untouched(&ram), [], "{kind:?}");
        }
    }
}

#[test]
fn memory_that_cannot_be_there_is_an_error_and_no_signal() {
    let file = tempfile::tempfile().expect("a file");
    for (ram, expected) in [
        (Ram::shared as fn(&File) -> io::Result<Ram>, io::ErrorKind::StorageFull),
        (Ram::private, io::ErrorKind::UnexpectedEof),
    ] {
        file.set_len(4096).expect("room");
        let ram = ram(&file).expect("memory");
        file.set_len(0).expect("a shorter file");
        let error = ram.preallocate(|| true).expect_err("nothing is behind the page");
        assert_eq!(error.kind(), expected);
    }
}

#[test]
fn a_file_that_cannot_be_written_at_an_offset_is_not_offered_for_that() {
    let bytes = 4096;
    let file = tempfile::tempfile().expect("a file");
    file.set_len(bytes).expect("room");
    assert!(Ram::shared(&file).expect("memory").shared_file().is_some());

    let path = tempfile::NamedTempFile::new().expect("a file");
    path.as_file().set_len(bytes).expect("room");
    let appends = File::options().read(true).append(true).open(path.path()).expect("the file");
    assert!(Ram::shared(&appends).expect("memory").shared_file().is_none(), "it would be appended");
    assert!(Ram::anonymous(4096).expect("memory").shared_file().is_none());
}
