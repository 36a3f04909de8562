//! What the tokens cost on top of each lock that can stand behind them.
//!
//! `cargo bench -p lastref-alternatives --bench backends` takes about a minute and prints a table.
//!
//! A turn takes the lock, adds 1 to what it guards and releases it: with the lock as it is (*bare*),
//! and with a token (*guard*). The two take turns, 15 times, and the table has the median of the
//! ratios with the least and the greatest. With 2 and 4 threads that do nothing else it depends on
//! who is woken when, so these ratios say little; the waits, of every 16th turn of both, say what a
//! thread has to expect.
//!
//! A turn is a function of its own, as it is in a program; so both pay for the call.
//!
//! Ratios of one run compare; times are those of one machine in one minute.

#[cfg(loom)]
fn main() {
    println!("not measured: loom's locks are models");
}

#[cfg(not(loom))]
fn main() {
    measured::main();
}

#[cfg(not(loom))]
mod measured {
    use std::cell::{Cell, UnsafeCell};
    use std::sync::Barrier;
    use std::thread;
    use std::time::{Duration, Instant};

    use biglock::attached::ByThreadLocal;
    use biglock::{CriticalSection, Guarded, Lock, StdMutex, Unlocked};

    /// How often bare and guard take turns.
    const PAIRS: usize = 15;
    /// How many turns make a time, together.
    const TURNS: u32 = 200_000;

    /// A way to take a lock and add 1 to what it guards.
    trait Way {
        /// What a thread has.
        type Thread;
        fn enter() -> Self::Thread;
        fn turn(thread: &mut Self::Thread);
    }

    /// With a token.
    struct Guard<B>(B);
    /// With the lock as it is.
    struct Bare<B>(B);

    /// Declares a backend, its marker, and the lock without tokens.
    macro_rules! backend {
        ($module:ident, $name:literal, $backend:ty, $bare:ty, |$lock:ident| $turn:expr) => {
            mod $module {
                use super::*;

                static BACKEND: $backend = <$backend>::new();
                static GUARDED: Guarded<u64, Big> = Guarded::new(0);
                enum Big {}
                impl Lock for Big {
                    type Backend = $backend;
                    const LOCK: &'static $backend = &BACKEND;
                }
                impl Way for Guard<Big> {
                    type Thread = Unlocked<Big>;
                    fn enter() -> Unlocked<Big> {
                        Unlocked::attach().expect("a thread without a token")
                    }
                    #[inline(never)]
                    fn turn(thread: &mut Unlocked<Big>) {
                        *GUARDED.borrow_mut(&mut thread.lock()) += 1;
                    }
                }

                static BARE: $bare = <$bare>::new(0);
                impl Way for Bare<Big> {
                    type Thread = ();
                    fn enter() {}
                    #[inline(never)]
                    fn turn((): &mut ()) {
                        let $lock = &BARE;
                        $turn
                    }
                }

                pub(super) fn rows() {
                    for threads in [1, 2, 4] {
                        row::<Bare<Big>, Guard<Big>>($name, threads);
                    }
                }
            }
        };
    }

    type Spin = spin::lock_api::Mutex<()>;
    type ParkingLot = parking_lot::Mutex<()>;

    backend!(on_std, "StdMutex", StdMutex, std::sync::Mutex<u64>, |lock| {
        *lock.lock().expect("no panic") += 1;
    });
    backend!(
        on_parking_lot,
        "parking_lot 0.13",
        biglock::lock_api_0_5::RawLock<ParkingLot, ByThreadLocal>,
        ::parking_lot::Mutex<u64>,
        |lock| *lock.lock() += 1
    );
    backend!(
        on_spin,
        "spin 0.12",
        biglock::lock_api::RawLock<Spin, ByThreadLocal>,
        ::spin::lock_api::Mutex<u64>,
        |lock| *lock.lock() += 1
    );
    backend!(on_sections, "CriticalSection", CriticalSection<ByThreadLocal>, Section, |lock| lock
        .add());

    /// A flag of a critical section, and what it guards: what [`CriticalSection`] does, by hand.
    struct Section {
        held: critical_section::Mutex<Cell<bool>>,
        value: UnsafeCell<u64>,
    }

    // SAFETY: `value` is used by who set `held`.
    unsafe impl Sync for Section {}

    impl Section {
        const fn new(value: u64) -> Self {
            Section {
                held: critical_section::Mutex::new(Cell::new(false)),
                value: UnsafeCell::new(value),
            }
        }

        #[inline]
        fn add(&self) {
            while critical_section::with(|cs| self.held.borrow(cs).replace(true)) {
                std::hint::spin_loop();
            }
            // SAFETY: `held` was set here.
            unsafe { *self.value.get() += 1 };
            critical_section::with(|cs| self.held.borrow(cs).set(false));
        }
    }

    /// Lets `threads` threads take turns, and returns the time for all of them and some waits.
    fn time<W: Way>(threads: u32) -> (Duration, Vec<Duration>) {
        let start = Barrier::new(threads as usize + 1);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let mut thread = W::enter();
                        let mut waits = Vec::with_capacity((TURNS / threads / 16) as usize + 1);
                        start.wait();
                        for turn in 0..TURNS / threads {
                            if threads > 1 && turn % 16 == 0 {
                                let asked = Instant::now();
                                W::turn(&mut thread);
                                waits.push(asked.elapsed());
                            } else {
                                W::turn(&mut thread);
                            }
                        }
                        waits
                    })
                })
                .collect();
            start.wait();
            let started = Instant::now();
            let waits = workers.into_iter().flat_map(|it| it.join().expect("a worker")).collect();
            (started.elapsed(), waits)
        })
    }

    fn row<A: Way, B: Way>(name: &str, threads: u32) {
        let (mut ratios, mut waits) = (Vec::new(), [Vec::new(), Vec::new()]);
        for pair in 0..PAIRS {
            let mut times = [Duration::ZERO; 2];
            for way in if pair % 2 == 0 { [0, 1] } else { [1, 0] } {
                let (time, some) = if way == 0 { time::<A>(threads) } else { time::<B>(threads) };
                times[way] = time;
                waits[way].extend(some);
            }
            ratios.push(times[1].as_secs_f64() / times[0].as_secs_f64());
        }
        ratios.sort_by(f64::total_cmp);
        let (least, most) = (ratios[0], ratios[PAIRS - 1]);
        let [bare, guard] = waits.map(distribution);
        println!(
            "| `{name}` | {threads} | {:.2} | {least:.2} to {most:.2} | {bare} | {guard} |",
            ratios[PAIRS / 2],
        );
    }

    /// The median, the hundredth longest in a hundred, and the longest wait.
    fn distribution(mut waits: Vec<Duration>) -> String {
        waits.sort();
        let Some(longest) = waits.last() else { return "none".to_owned() };
        let at = |part: usize| waits[(waits.len() - 1) * part / 100].as_secs_f64() * 1e6;
        format!("{:.2}, {:.2}, {:.0}", at(50), at(99), longest.as_secs_f64() * 1e6)
    }

    pub(super) fn main() {
        println!(
            "| backend | threads | guard / bare | least to greatest | waits, bare (µs): half, 99 %, longest | guard |"
        );
        println!("| --- | --- | --- | --- | --- | --- |");
        on_std::rows();
        on_parking_lot::rows();
        on_spin::rows();
        on_sections::rows();
    }
}
