//! What the dirty logs cost: `cargo run --release -p lastref-machine --example dirty_log [GIB]`.
//!
//! One line for each kind of memory and each log; times are medians of seven rounds. *1st store*
//! is the first store to a page since the log was read, *store* any other one; both go to random
//! pages, so there are cache and TLB misses in both.
//!
//! *& a vCPU* is a pass over 1 percent while another thread never rests. Then the kernel
//! interrupts that thread's processor once for each page table (2 MiB) with a written page in it,
//! and of random pages each has some. The last line tells what such an interrupt costs by itself:
//! that, times the page tables, is what this column cannot be below.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use machine::{DirtyTracking, Marker, Ram};
use migration::{DirtyLog, GuestMemory, PAGE_WORDS};
use rustix::mm::{Advice, MprotectFlags, madvise, mprotect};

const ROUNDS: usize = 7;

/// A generator of random pages (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * end as u128) >> 64) as usize
    }
}

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort();
    rounds[rounds.len() / 2]
}

fn time(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

/// Stores to `count` random pages.
fn store(words: &[AtomicU64], marker: &Marker, random: &mut Random, count: usize) {
    let pages = words.len() / PAGE_WORDS;
    for _ in 0..count {
        let page = random.below(pages);
        marker.store(page, || words[page * PAGE_WORDS].store(1, Ordering::Relaxed));
    }
}

/// Does `what` while a thread stores to `word` all the time.
fn beside_a_vcpu<T>(word: &AtomicU64, what: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                word.store(1, Ordering::Relaxed);
                std::hint::spin_loop();
            }
        });
        let done = what();
        over.store(true, Ordering::Relaxed);
        done
    })
}

/// What it costs to take the right to write to one page away.
fn protect_one_page() -> Result<Duration, Box<dyn Error>> {
    let page = Ram::anonymous(PAGE_WORDS * size_of::<u64>())?;
    let start = page.words().as_ptr().cast_mut().cast();
    let mut rounds = Vec::new();
    for _ in 0..1000 {
        // SAFETY: nobody uses this page while it cannot be written to.
        unsafe { mprotect(start, 4096, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        page.words()[0].store(1, Ordering::Relaxed);
        let mut protected = Ok(());
        rounds.push(time(|| {
            // SAFETY: as above; it is writable again in the next round.
            protected = unsafe { mprotect(start, 4096, MprotectFlags::READ) };
        }));
        protected?;
    }
    Ok(median(rounds))
}

fn measure(name: &str, ram: &Arc<Ram>, mut tracking: DirtyTracking) -> Result<(), Box<dyn Error>> {
    let words = ram.words();
    let pages = words.len() / PAGE_WORDS;
    let percent = pages / 100;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (marker, log) = (tracking.marker(), tracking.name());
    let mut bitmap = vec![0_u64; pages.div_ceil(64)];
    let mut found = 0;
    let mut sync = |tracking: &mut DirtyTracking| {
        found = 0;
        let read = tracking.take_written(&mut |pages| {
            for page in pages {
                bitmap[page / 64] |= 1 << (page % 64);
                found += 1;
            }
        });
        read.expect("a log that can be read");
        found
    };

    let mut started = Ok(());
    let start = time(|| started = tracking.start());
    started?;
    sync(&mut tracking);
    let mut columns = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let first = time(|| store(words, &marker, &mut random, percent));
        let again = Random(random.0);
        columns[0].push(first / u32::try_from(percent)?);
        columns[1].push(time(|| assert!(sync(&mut tracking) >= percent * 9 / 10)));
        columns[2].push(time(|| assert!(sync(&mut tracking) == 0)));
        // Twice the same pages: the second time there is nothing to do for the log.
        let (mut once, mut twice) = (Random(again.0), Random(again.0));
        store(words, &marker, &mut once, percent);
        let other = time(|| store(words, &marker, &mut twice, percent));
        columns[3].push(other / u32::try_from(percent)?);
        sync(&mut tracking);
    }
    let beside = beside_a_vcpu(&words[0], || {
        let pass = || {
            store(words, &marker, &mut random, percent);
            time(|| assert!(sync(&mut tracking) >= percent * 9 / 10))
        };
        std::iter::repeat_with(pass).take(ROUNDS).collect()
    });
    let stop = time(|| tracking.stop());
    let [first, dirty, clean, other] = columns.map(median);
    println!(
        "{name:<28} {log:<14} {start:>9.1?} {dirty:>9.1?} {:>9.1?} {clean:>9.1?} {stop:>9.1?} {first:>9.1?} {other:>9.1?}",
        median(beside),
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let gib: usize = std::env::args().nth(1).map_or(Ok(8), |text| text.parse())?;
    println!("{gib} GiB, {ROUNDS} rounds");
    println!(
        "{:<28} {:<14} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "memory", "log", "start", "1% dirty", "& a vCPU", "clean", "stop", "1st store", "store"
    );
    for (name, advice, populate) in [
        ("populated, small pages", Advice::LinuxNoHugepage, true),
        ("populated, huge pages", Advice::LinuxHugepage, true),
        ("untouched, small pages", Advice::LinuxNoHugepage, false),
        ("untouched, huge pages", Advice::LinuxHugepage, false),
    ] {
        for software in [false, true] {
            let ram = Arc::new(Ram::anonymous(gib << 30)?);
            let words = ram.words();
            // SAFETY: it says how memory is to be mapped, not what it holds.
            unsafe { madvise(words.as_ptr().cast_mut().cast(), size_of_val(words), advice) }?;
            if populate {
                let took = time(|| ram.preallocate(|| true).expect("memory"));
                println!("{name}: preallocated in {took:.1?}");
            }
            let tracking = if software {
                DirtyTracking::software(&ram)
            } else {
                DirtyTracking::write_protect(&ram)?
            };
            let mut ranges = 0;
            let took = time(|| ram.each_untouched(&mut |_| ranges += 1));
            println!("{name}: {ranges} untouched ranges in {took:.1?}");
            measure(name, &ram, tracking)?;
        }
    }
    let alone = protect_one_page()?;
    let beside = beside_a_vcpu(&AtomicU64::new(0), protect_one_page)?;
    let tables = gib << 9;
    println!(
        "to protect one page takes {alone:.1?}, beside a vCPU {beside:.1?}: {:.1?} more for {tables} page tables",
        beside.saturating_sub(alone) * u32::try_from(tables)?,
    );
    Ok(())
}
