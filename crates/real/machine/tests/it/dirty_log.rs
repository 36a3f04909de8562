//! The dirty logs find every store: the kernel's in each kind of memory it tracks, and the
//! software log by the same tests.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use machine::{DirtyTracking, Marker, Ram};
use migration::{DirtyLog, GuestMemory, PAGE_WORDS};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::mm::{Advice, madvise};

use crate::kinds::{KINDS, Kind, Random};

const PAGES: usize = 2048;

/// The kernel's log, or `None` where there is none, which is said.
fn write_protect(ram: &Arc<Ram>) -> Option<DirtyTracking> {
    match DirtyTracking::write_protect(ram) {
        Ok(tracking) => Some(tracking),
        Err(error) => {
            println!("SKIPPED: the kernel does not track writes to this memory: {error}");
            assert!(
                std::env::var_os("LASTREF_REQUIRE_WRITE_PROTECT").is_none(),
                "LASTREF_REQUIRE_WRITE_PROTECT is set, and the kernel says: {error}"
            );
            None
        }
    }
}

/// Each kind of memory with each log that it can have.
fn each_log(test: impl Fn(&str, &Ram, &mut DirtyTracking)) {
    for kind in KINDS {
        let ram = kind.ram(PAGES);
        let software = DirtyTracking::software(&ram);
        for mut tracking in write_protect(&ram).into_iter().chain([software]) {
            let name = format!("{} log, {kind:?}", tracking.name());
            println!("{name}");
            test(&name, &ram, &mut tracking);
        }
    }
}

/// Stores as a vCPU does.
fn store(ram: &Ram, tracking: &DirtyTracking, page: usize, value: u64) {
    store_by(&tracking.marker(), ram, page, value);
}

fn store_by(marker: &Marker, ram: &Ram, page: usize, value: u64) {
    let word = &ram.words()[page * PAGE_WORDS + page % PAGE_WORDS];
    marker.store(page, || word.store(value, Ordering::Relaxed));
}

/// The pages that were written; each is told once, and in order.
fn written(tracking: &mut DirtyTracking) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut end = 0;
    tracking
        .take_written(&mut |pages| {
            assert!(pages.start >= end && pages.start < pages.end, "{pages:?} after {end}");
            assert!(pages.end <= PAGES, "{pages:?}");
            end = pages.end;
            found.extend(pages);
        })
        .expect("a log that can be read");
    found
}

/// A migration in small: what is copied after each pass is what memory holds in the end,
/// whatever several threads store meanwhile.
#[test]
fn no_store_is_missed_while_threads_store_and_passes_run() {
    each_log(|name, ram, tracking| {
        let copy: Vec<AtomicU64> = ram.words().iter().map(|_| AtomicU64::new(0)).collect();
        let copy_page = |page: usize| {
            let words = page * PAGE_WORDS..(page + 1) * PAGE_WORDS;
            for (word, copy) in ram.words()[words.clone()].iter().zip(&copy[words]) {
                copy.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        };
        tracking.start().expect("a log");
        let over = AtomicBool::new(false);
        let mut found = 0;
        std::thread::scope(|scope| {
            for writer in 1..=3 {
                let (over, marker) = (&over, tracking.marker());
                scope.spawn(move || {
                    let mut random = Random::new(writer);
                    while !over.load(Ordering::Relaxed) {
                        let value = random.next();
                        store_by(&marker, ram, random.below(PAGES), value);
                    }
                });
            }
            (0..PAGES).for_each(copy_page);
            while found < 6 * PAGES {
                let pages = written(tracking);
                found += pages.len();
                pages.into_iter().for_each(copy_page);
            }
            over.store(true, Ordering::Relaxed);
        });
        written(tracking).into_iter().for_each(copy_page);
        for (index, (word, copy)) in ram.words().iter().zip(&copy).enumerate() {
            assert_eq!(
                word.load(Ordering::Relaxed),
                copy.load(Ordering::Relaxed),
                "page {} of {name}",
                index / PAGE_WORDS
            );
        }
        tracking.stop();
    });
}

#[test]
fn what_was_stored_to_is_found_once_and_nothing_else() {
    each_log(|name, ram, tracking| {
        let mut random = Random::new(5);
        ram.preallocate(|| true).expect("memory");
        tracking.start().expect("a log");
        written(tracking);
        assert_eq!(written(tracking), BTreeSet::new(), "{name}");
        for count in [0, 1, 10, 500, PAGES] {
            let pages: BTreeSet<usize> = (0..count).map(|_| random.below(PAGES)).collect();
            for page in &pages {
                store(ram, tracking, *page, 7);
            }
            // The same word again, which changes nothing.
            for page in &pages {
                store(ram, tracking, *page, 7);
            }
            assert_eq!(written(tracking), pages, "{name}");
            assert_eq!(written(tracking), BTreeSet::new(), "{name}");
        }
        tracking.stop();
    });
}

#[test]
fn a_log_that_was_stopped_starts_again_and_knows_nothing_of_the_time_between() {
    each_log(|name, ram, tracking| {
        for round in 1..4 {
            tracking.start().expect("a log");
            written(tracking);
            store(ram, tracking, 3, round);
            store(ram, tracking, PAGES - 1, round);
            assert_eq!(written(tracking), BTreeSet::from([3, PAGES - 1]), "{name}");
            store(ram, tracking, 8, round);
            tracking.stop();
            store(ram, tracking, 9, round);
        }
        // To start twice, or to stop what was not started, is nothing special.
        tracking.stop();
        tracking.start().expect("a log");
        tracking.start().expect("a log that starts twice");
        store(ram, tracking, 4, 1);
        assert!(written(tracking).contains(&4), "{name}");
        tracking.stop();
    });
}

#[test]
fn pages_that_were_not_there_are_found_when_they_are_stored_to() {
    each_log(|name, ram, tracking| {
        store(ram, tracking, 0, 1);
        tracking.start().expect("a log");
        written(tracking);
        let read = |page: usize| ram.words()[page * PAGE_WORDS].load(Ordering::Relaxed);
        // 100 is only read, 200 is read and then stored to, 300 is stored to at once.
        assert_eq!(read(100) | read(200), 0, "{name}");
        written(tracking);
        assert_eq!(written(tracking), BTreeSet::new(), "what was read is told once, {name}");
        assert_eq!(read(100) | read(200), 0, "{name}");
        store(ram, tracking, 200, 1);
        store(ram, tracking, 300, 1);
        assert_eq!(written(tracking), BTreeSet::from([200, 300]), "{name}");
        store(ram, tracking, 100, 0);
        assert_eq!(written(tracking), BTreeSet::from([100]), "a zero is a store, {name}");
        tracking.stop();
    });
}

#[test]
fn a_log_is_not_read_before_it_is_started_nor_after_it_is_stopped() {
    let ram = Kind::Anonymous.ram(PAGES);
    let Some(mut tracking) = write_protect(&ram) else { return };
    let refused = |log: &mut DirtyTracking| log.take_written(&mut |_| ()).is_err();
    assert!(refused(&mut tracking));
    tracking.start().expect("a log");
    assert!(!refused(&mut tracking));
    tracking.stop();
    assert!(refused(&mut tracking));
}

#[test]
fn where_the_kernel_tracks_for_another_the_software_log_is_chosen() {
    let ram = Kind::Anonymous.ram(PAGES);
    let Some(mut first) = write_protect(&ram) else { return };
    first.start().expect("a log");
    let (second, why_not) = DirtyTracking::choose(&ram);
    assert_eq!(second.name(), "software");
    println!("{}", why_not.expect("a reason"));
    // The trial of the second did not end what the first one does.
    store(&ram, &first, 5, 1);
    assert!(written(&mut first).contains(&5));
    drop(first);
    let (third, why_not) = DirtyTracking::choose(&ram);
    assert_eq!((third.name(), why_not.is_none()), ("write-protect", true));
}

#[test]
fn only_with_the_software_log_pages_are_marked() {
    each_log(|name, _, tracking| {
        let marks = tracking.marker().is_needed();
        assert_eq!(marks, tracking.name() == "software", "{name}");
    });
}

/// A device's DMA, as a machine monitor does it: the kernel stores on behalf of the process.
#[test]
fn stores_of_the_kernel_are_found() {
    for kind in KINDS {
        let ram = kind.ram(PAGES);
        let Some(mut tracking) = write_protect(&ram) else { continue };
        ram.words()[PAGE_WORDS * 20].store(1, Ordering::Relaxed);
        tracking.start().expect("a log");
        written(&mut tracking);
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        // One page that is there and one that is not.
        for page in [20, 40] {
            rustix::io::write(&writer, &[7; 16]).expect("a pipe with room");
            let place = ram.words()[page * PAGE_WORDS..][..2].as_ptr().cast_mut().cast::<u8>();
            // SAFETY: the two words are there, and atomics may change.
            let place = unsafe { std::slice::from_raw_parts_mut(place, 16) };
            assert_eq!(rustix::io::read(reader.as_fd(), place).expect("a pipe with bytes"), 16);
        }
        assert_eq!(written(&mut tracking), BTreeSet::from([20, 40]), "{kind:?}");
        tracking.stop();
    }
}

/// A `fork` makes every page copy-on-write, so that stores fault for another reason too.
#[test]
fn stores_are_found_though_the_process_forks() {
    for kind in KINDS {
        let ram = kind.ram(PAGES);
        let Some(mut tracking) = write_protect(&ram) else { continue };
        ram.preallocate(|| true).expect("memory");
        tracking.start().expect("a log");
        written(&mut tracking);
        store(&ram, &tracking, 10, 1);
        let mut command = Command::new("cat");
        command.stdin(std::process::Stdio::piped());
        // SAFETY: it does nothing; that it is there makes std fork.
        unsafe { command.pre_exec(|| Ok(())) };
        let mut child = command.spawn().expect("a child");
        store(&ram, &tracking, 10, 2);
        store(&ram, &tracking, 11, 2);
        assert_eq!(written(&mut tracking), BTreeSet::from([10, 11]), "{kind:?}");
        store(&ram, &tracking, 12, 3);
        drop(child.stdin.take());
        child.wait().expect("its end");
        store(&ram, &tracking, 11, 3);
        assert_eq!(written(&mut tracking), BTreeSet::from([11, 12]), "{kind:?}");
        tracking.stop();
    }
}

/// What the documentation of the kernel's log says that it does not see.
#[test]
fn what_goes_past_the_mapping_is_not_found_by_the_kernels_log() {
    for kind in [Kind::SharedMemory, Kind::SharedFile] {
        let file = kind.file(PAGES).expect("a file");
        let [ram, other] = [(); 2].map(|()| kind.map(Some(&file), PAGES));
        let Some(mut tracking) = write_protect(&ram) else { continue };
        for page in [5, 6] {
            store(&ram, &tracking, page, 7);
        }
        tracking.start().expect("a log");
        file.write_all_at(&[1; 4096], 3 << 12).expect("room");
        other.words()[4 * PAGE_WORDS].store(1, Ordering::Relaxed);
        fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 5 << 12, 4096)
            .expect("a hole");
        file.set_len(6 << 12).expect("a shorter file");
        file.set_len((PAGES << 12) as u64).expect("room");
        let read = |page: usize| ram.words()[page * PAGE_WORDS + page].load(Ordering::Relaxed);
        assert_ne!(read(3), 0, "{kind:?}");
        assert_eq!(ram.words()[4 * PAGE_WORDS].load(Ordering::Relaxed), 1, "{kind:?}");
        assert_eq!([read(5), read(6)], [0, 0], "{kind:?}");
        assert_eq!(written(&mut tracking), BTreeSet::new(), "{kind:?}");
        tracking.stop();
    }
}

/// A page of a file leaves the page tables when the kernel needs room, written or not.
#[test]
fn stores_are_found_though_the_kernel_takes_pages_out() {
    for kind in KINDS {
        let ram = kind.ram(PAGES);
        let Some(mut tracking) = write_protect(&ram) else { continue };
        ram.preallocate(|| true).expect("memory");
        tracking.start().expect("a log");
        written(&mut tracking);
        let reclaim = || {
            let words = ram.words();
            let start = words.as_ptr().cast_mut().cast();
            // SAFETY: contents stay as they are, wherever they are kept.
            if let Err(error) = unsafe { madvise(start, size_of_val(words), Advice::LinuxPageOut) }
            {
                println!("SKIPPED: pages cannot be paged out: {error}");
            }
        };
        store(&ram, &tracking, 10, 1);
        store(&ram, &tracking, 12, 1);
        reclaim();
        store(&ram, &tracking, 11, 1);
        store(&ram, &tracking, 12, 2);
        reclaim();
        assert_eq!(written(&mut tracking), BTreeSet::from([10, 11, 12]), "{kind:?}");
        reclaim();
        let read = |page: usize| ram.words()[page * PAGE_WORDS + page].load(Ordering::Relaxed);
        assert_eq!([read(10), read(11), read(12)], [1, 1, 2], "{kind:?}");
        assert_eq!(written(&mut tracking), BTreeSet::new(), "{kind:?}");
        store(&ram, &tracking, 13, 1);
        assert_eq!(written(&mut tracking), BTreeSet::from([13]), "{kind:?}");
        tracking.stop();
    }
}

/// The first store to a huge page splits it, so a pass does not find 512 pages for one.
#[test]
fn a_store_to_a_huge_page_is_found_as_one_page() {
    let ram = Arc::new(Ram::anonymous(64 << 20).expect("memory"));
    let Some(mut tracking) = write_protect(&ram) else { return };
    let words = ram.words();
    // SAFETY: it says how memory is to be mapped, not what it holds.
    unsafe { madvise(words.as_ptr().cast_mut().cast(), size_of_val(words), Advice::LinuxHugepage) }
        .expect("huge pages");
    ram.preallocate(|| true).expect("memory");
    tracking.start().expect("a log");
    let found = |tracking: &mut DirtyTracking| {
        let mut found = Vec::new();
        tracking.take_written(&mut |pages| found.extend(pages)).expect("a log");
        found
    };
    assert_eq!(found(&mut tracking), [0; 0]);
    for page in [5, 700, 701, 16_000] {
        store(&ram, &tracking, page, 1);
    }
    assert_eq!(found(&mut tracking), [5, 700, 701, 16_000]);
    assert_eq!(found(&mut tracking), [0; 0]);
}

#[test]
fn memory_outlives_the_machine_as_long_as_its_log_does() {
    let ram = Kind::Anonymous.ram(PAGES);
    let Some(mut tracking) = write_protect(&ram) else { return };
    tracking.start().expect("a log");
    drop(ram);
    assert_eq!(written(&mut tracking), BTreeSet::new());
}
