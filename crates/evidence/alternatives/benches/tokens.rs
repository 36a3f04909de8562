//! What a read of the one global costs with a token, beside other ways to guard a global.
//!
//! `cargo bench -p lastref-alternatives --bench tokens` measures everything in less than a
//! minute and ends with a table of ratios. A regular expression after `--` selects rows by
//! name: `-- 'limit|held/exported'` shows the ratio of one, and `-- --list` names them all.
//! `docs/cost.md` says what each row is and shows such a table.
//!
//! Each row reads `status` of one object, found at a global that may be empty. Beside the
//! limit there are three kinds of rows:
//!
//! * `held`: what the read needs is at hand, as it is for code that was called with the lock
//!   held. This is what `Exported::get` is for.
//! * `taken`: the read takes what it needs, a lock or a section, and gives it back.
//! * `counted`: the read takes a reference that may be kept, and drops it.
//!
//! # The limit
//!
//! `limit` is what C does: load the pointer, test it, load the field, with nothing that guards
//! it. No read of a global that may be empty can do less, so it is the unit of the table. It
//! is measured before, among and after the other rows, and the least of the three medians
//! counts: a limit that was disturbed would make everything else look cheap.
//!
//! The limit takes one turn of the loop around it, which is one cycle and at times two. So does
//! every row that shows 1.0 or 2.0; such rows cannot be told apart by time. That a read with a
//! token costs what the raw read costs is therefore no result of this program. The proof is
//! `crates/core/exported/tests/same_instructions.rs`, which compares the instructions.
//!
//! `held/raw_call` is the same read behind a call, which is the limit for a function of another
//! crate, as for a function of another file in C.
//!
//! # Ratios only
//!
//! Times in nanoseconds are those of one machine in one minute. Ratios move too where others
//! use the machine, by a twentieth or so from run to run, so compare those of one run, and
//! only where they differ clearly. Everything runs on one thread and nobody waits: what several
//! threads do to each other at a lock or a count comes on top of `taken` and `counted`.

#[cfg(loom)]
fn main() {
    println!("not measured: loom's locks are models");
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    measured::main()
}

#[cfg(not(loom))]
mod measured {
    use std::cell::Cell;
    use std::error::Error;
    use std::fs;
    use std::hint::black_box;
    use std::path::Path;
    use std::ptr;
    use std::sync::atomic::Ordering;
    use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
    use std::time::{Duration, SystemTime};

    use arc_swap::{ArcSwapOption, Cache};
    use biglock::{Guarded, Lock, StdMutex, Unlocked};
    use criterion::Criterion;
    use crossbeam_epoch as epoch;
    use exported::Exported;
    use migration::bql::{BqlGuard, BqlUnlocked};
    use migration::{Direction, Host, RunState, Vm, VmArrived, VmStopped};
    use qcell::{QCell, QCellOwner, TCell, TCellOwner};
    use serde_json::Value;

    /// What the global stands for.
    struct Object {
        status: u64,
    }

    fn status(object: Option<&Object>) -> u64 {
        object.map_or(0, |object| object.status)
    }

    enum Big {}
    impl Lock for Big {
        type Backend = StdMutex;
        const LOCK: &'static StdMutex = &MUTEX;
    }
    static MUTEX: StdMutex = StdMutex::new();

    // The global in each of its shapes.

    static mut RAW: *const Object = ptr::null();
    static mut RAW_NUMBER: u64 = 0;
    static EXPORTED: Exported<Object, Big> = Exported::new();
    static GUARDED: Guarded<u64, Big> = Guarded::new(0);
    static ONCE: OnceLock<Arc<Object>> = OnceLock::new();
    static STD_MUTEX: Mutex<Option<Arc<Object>>> = Mutex::new(None);
    static STD_RWLOCK: RwLock<Option<Arc<Object>>> = RwLock::new(None);
    static PARKING_MUTEX: parking_lot::Mutex<Option<Arc<Object>>> = parking_lot::Mutex::new(None);
    static PARKING_RWLOCK: parking_lot::RwLock<Option<Arc<Object>>> =
        parking_lot::RwLock::new(None);
    static ARC_SWAP: ArcSwapOption<Object> = ArcSwapOption::const_empty();
    static EPOCH: epoch::Atomic<Object> = epoch::Atomic::null();
    static CRITICAL: critical_section::Mutex<Cell<Option<&'static Object>>> =
        critical_section::Mutex::new(Cell::new(None));
    static TCELL: TCell<Big, Option<Arc<Object>>> = TCell::new(None);

    thread_local! {
        static LOCKED: Cell<bool> = const { Cell::new(false) };
    }

    /// `bql_locked` of QEMU's `system/cpus.c`: there too a thread-local flag behind a call.
    #[inline(never)]
    fn bql_locked() -> bool {
        LOCKED.get()
    }

    /// The read that C makes.
    ///
    /// # Safety
    ///
    /// Nobody writes to the pointer, and it is null or leads to an object.
    #[inline(always)]
    unsafe fn read_raw(global: *const *const Object) -> u64 {
        // SAFETY: the pointer is one of ours, and nobody writes to it.
        let object = unsafe { *global };
        // SAFETY: it is null or leads to an object.
        status(unsafe { object.as_ref() })
    }

    /// The same behind a call.
    ///
    /// # Safety
    ///
    /// As for [`read_raw`].
    #[inline(never)]
    unsafe fn call_read_raw(global: *const *const Object) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { read_raw(global) }
    }

    /// A machine that stays.
    struct Still;

    impl Vm for Still {
        fn run_state(&self, _bql: &BqlGuard<'_>) -> RunState {
            RunState::Paused
        }
        fn stop_for_migration(&self, _bql: &mut BqlGuard<'_>) -> RunState {
            RunState::Paused
        }
        fn resume_after_failure(&self, _bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {}
        fn has_moved(&self, _bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {}
        fn has_arrived(&self, _bql: &mut BqlGuard<'_>, _arrived: &VmArrived) {}
    }

    // In the rows a global is named once, through `black_box`, before the loop: the optimiser
    // then does not know what it is, must take it for written at each `black_box` of a result,
    // and so reads it in each turn.

    /// The raw read, for the turn `when`.
    fn limit(criterion: &mut Criterion, when: &str) {
        let raw = black_box(&raw const RAW);
        criterion.benchmark_group("limit").bench_function(format!("raw_{when}"), |b| {
            // SAFETY: written before the rows, by this thread, the only one, and to an object
            // that is never freed.
            b.iter(|| unsafe { read_raw(raw) });
        });
    }

    /// What the read needs is at hand.
    fn held(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
        let mut group = criterion.benchmark_group("held");

        let raw = black_box(&raw const RAW);
        group.bench_function("raw_call", |b| {
            // SAFETY: as in `limit`.
            b.iter(|| unsafe { call_read_raw(raw) });
        });

        let mut thread = Unlocked::<Big>::attach()?;
        let big = thread.lock();
        let exported = black_box(&EXPORTED);
        group.bench_function("exported", |b| b.iter(|| status(exported.get(&big))));

        let number = black_box(&raw const RAW_NUMBER);
        group.bench_function("raw_number", |b| {
            // SAFETY: nobody writes to it.
            b.iter(|| unsafe { *number });
        });
        let guarded = black_box(&GUARDED);
        group.bench_function("guarded", |b| b.iter(|| *guarded.borrow(&big)));

        let mut thread = BqlUnlocked::attach()?;
        let mut bql = thread.lock();
        let object = migration::object_init(&mut bql, Host::new("none", Still))?;
        let observer = migration::observer(&bql, Direction::Outgoing).ok_or("made above")?;
        let observer = black_box(&observer);
        group.bench_function("observer", |b| b.iter(|| observer.is_running()));
        group.bench_function("is_running", |b| b.iter(|| migration::is_running(&bql)));
        drop(migration::shutdown(object, &mut bql));

        let once = black_box(&ONCE);
        group.bench_function("once_lock", |b| b.iter(|| status(once.get().map(|it| &**it))));

        let owner = TCellOwner::<Big>::new();
        let tcell = black_box(&TCELL);
        group.bench_function("tcell", |b| b.iter(|| status(tcell.ro(&owner).as_deref())));

        let owner = QCellOwner::new();
        let qcell = QCell::new(&owner, STD_MUTEX.lock().map_err(|_| "poisoned")?.clone());
        let (owner, qcell) = black_box((&owner, &qcell));
        group.bench_function("qcell", |b| b.iter(|| status(qcell.ro(owner).as_deref())));

        let critical = black_box(&CRITICAL);
        critical_section::with(|token| {
            group.bench_function("critical_section", |b| {
                b.iter(|| status(critical.borrow(token).get()));
            });
        });

        let place = black_box(&EPOCH);
        let pinned = epoch::pin();
        group.bench_function("epoch", |b| {
            // SAFETY: the object is never freed.
            b.iter(|| status(unsafe { place.load(Ordering::Acquire, &pinned).as_ref() }));
        });
        drop(pinned);

        let mut cache = Cache::new(black_box(&ARC_SWAP));
        group.bench_function("arc_swap_cache", |b| b.iter(|| status(cache.load().as_deref())));

        LOCKED.with(|locked| black_box(locked).set(true));
        group.bench_function("qemu_assert", |b| {
            b.iter(|| {
                assert!(bql_locked());
                // SAFETY: as in `limit`.
                unsafe { read_raw(raw) }
            });
        });
        group.bench_function("qemu_assert_inlined", |b| {
            b.iter(|| {
                assert!(LOCKED.get());
                // SAFETY: as in `limit`.
                unsafe { read_raw(raw) }
            });
        });
        group.finish();
        Ok(())
    }

    /// The read takes what it needs and gives it back.
    fn taken(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
        let mut group = criterion.benchmark_group("taken");

        let mut thread = Unlocked::<Big>::attach()?;
        let exported = black_box(&EXPORTED);
        group.bench_function("exported", |b| b.iter(|| status(exported.get(&thread.lock()))));

        let mutex = black_box(&STD_MUTEX);
        group.bench_function("std_mutex", |b| {
            b.iter(|| status(mutex.lock().unwrap_or_else(PoisonError::into_inner).as_deref()));
        });
        let rwlock = black_box(&STD_RWLOCK);
        group.bench_function("std_rwlock", |b| {
            b.iter(|| status(rwlock.read().unwrap_or_else(PoisonError::into_inner).as_deref()));
        });
        let mutex = black_box(&PARKING_MUTEX);
        group.bench_function("parking_lot_mutex", |b| b.iter(|| status(mutex.lock().as_deref())));
        let rwlock = black_box(&PARKING_RWLOCK);
        group.bench_function("parking_lot_rwlock", |b| b.iter(|| status(rwlock.read().as_deref())));

        let arc_swap = black_box(&ARC_SWAP);
        group.bench_function("arc_swap", |b| b.iter(|| status(arc_swap.load().as_deref())));

        let place = black_box(&EPOCH);
        group.bench_function("epoch", |b| {
            b.iter(|| {
                let pinned = epoch::pin();
                // SAFETY: the object is never freed.
                status(unsafe { place.load(Ordering::Acquire, &pinned).as_ref() })
            });
        });

        let critical = black_box(&CRITICAL);
        group.bench_function("critical_section", |b| {
            b.iter(|| critical_section::with(|token| status(critical.borrow(token).get())));
        });
        group.finish();
        Ok(())
    }

    /// The read takes a reference that may be kept, and drops it.
    fn counted(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
        let mut group = criterion.benchmark_group("counted");

        let mut thread = Unlocked::<Big>::attach()?;
        let big = thread.lock();
        let exported = black_box(&EXPORTED);
        group.bench_function("exported", |b| b.iter(|| status(exported.share(&big).as_deref())));
        drop(big);

        let mutex = black_box(&STD_MUTEX);
        group.bench_function("std_mutex", |b| {
            b.iter(|| {
                let object = mutex.lock().unwrap_or_else(PoisonError::into_inner).clone();
                status(object.as_deref())
            });
        });
        let arc_swap = black_box(&ARC_SWAP);
        group.bench_function("arc_swap", |b| b.iter(|| status(arc_swap.load_full().as_deref())));
        group.finish();
        Ok(())
    }

    /// Puts the object into every global.
    fn fill() -> Result<(), Box<dyn Error>> {
        let object = Arc::new(Object { status: 1 });
        let forever: &'static Object = Box::leak(Box::new(Object { status: 1 }));

        let mut thread = Unlocked::<Big>::attach()?;
        let mut big = thread.lock();
        // Without its publication the object stays exported.
        drop(EXPORTED.publish(&mut big, Arc::clone(&object))?);
        *GUARDED.borrow_mut(&mut big) = 1;
        // SAFETY: there is one thread.
        unsafe { RAW = forever };
        // SAFETY: there is one thread.
        unsafe { RAW_NUMBER = 1 };
        ONCE.set(Arc::clone(&object)).map_err(|_| "filled twice")?;
        *STD_MUTEX.lock().map_err(|_| "poisoned")? = Some(Arc::clone(&object));
        *STD_RWLOCK.write().map_err(|_| "poisoned")? = Some(Arc::clone(&object));
        *PARKING_MUTEX.lock() = Some(Arc::clone(&object));
        *PARKING_RWLOCK.write() = Some(Arc::clone(&object));
        ARC_SWAP.store(Some(Arc::clone(&object)));
        EPOCH.store(epoch::Owned::new(Object { status: 1 }), Ordering::Release);
        critical_section::with(|token| CRITICAL.borrow(token).set(Some(forever)));
        *TCELL.rw(&mut TCellOwner::new()) = Some(object);
        Ok(())
    }

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let started = SystemTime::now();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tokens");
        let mut criterion = Criterion::default()
            .output_directory(&folder)
            .without_plots()
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .nresamples(10_000)
            .configure_from_args();
        fill()?;
        limit(&mut criterion, "before");
        held(&mut criterion)?;
        limit(&mut criterion, "among");
        taken(&mut criterion)?;
        counted(&mut criterion)?;
        limit(&mut criterion, "after");
        criterion.final_summary();
        print_ratios(&folder, started)
    }

    /// The medians of this run in units of the limit, as a table; nothing if that was not measured.
    fn print_ratios(folder: &Path, started: SystemTime) -> Result<(), Box<dyn Error>> {
        let mut medians = Vec::new();
        for (place, group) in ["limit", "held", "taken", "counted"].into_iter().enumerate() {
            for row in fs::read_dir(folder.join(group)).into_iter().flatten() {
                let row = row?;
                let file = row.path().join("new/estimates.json");
                // Rows of an earlier run lie here too.
                if fs::metadata(&file).and_then(|it| it.modified()).is_ok_and(|at| at >= started) {
                    let estimates: Value = serde_json::from_slice(&fs::read(&file)?)?;
                    let median = estimates["median"]["point_estimate"].as_f64();
                    let name = format!("{group}/{}", row.file_name().display());
                    medians.push((place, name, median.ok_or("no median in criterion's file")?));
                }
            }
        }
        let limits = medians.iter().filter(|(_, name, _)| name.starts_with("limit/"));
        let Some(limit) = limits.map(|(_, _, median)| *median).min_by(f64::total_cmp) else {
            return Ok(());
        };
        medians.sort_by(|a, b| a.0.cmp(&b.0).then(a.2.total_cmp(&b.2)));
        println!("| row | times the limit |\n| --- | --- |");
        for (_, name, median) in medians {
            println!("| `{name}` | {:.1} |", median / limit);
        }
        Ok(())
    }
}
