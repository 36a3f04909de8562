//! A small emulator under one big lock: processors, devices, plug-ins, a display.
//!
//! Each thing that a user of the two crates reaches for is used once, without `unsafe`, and without
//! a count where nothing outlives the lock.
//!
//! ```text
//! 200 ticks, 2 processors rest
//! the console shows "tick 50, tick 100, tick 150, tick 200"
//! a plug-in without a token adds one: 201
//! a plug-in with a fault leaves the lock free
//! the display shows frame 201
//! a message of 5 letters arrived
//! the machine is gone
//! every hold was seen
//! ```

#![forbid(unsafe_code)]

use std::sync::Mutex;

/// What was printed.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Prints a line.
macro_rules! say {
    ($($words:tt)*) => {{
        let line = format!($($words)*);
        println!("{line}");
        SAID.lock().expect("nobody panics here").push(line);
    }};
}

/// The two locks, and the tokens of a thread.
mod locks {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use biglock::attached::ByThreadLocal;
    use biglock::lock_api_0_5::RawLock;
    use biglock::trace::{Observe, Traced};
    use biglock::{AttachError, Lock, StdMutex, Unlocked};

    /// Counts how often the big lock is taken and released.
    #[derive(Default)]
    pub(crate) struct Holds {
        pub(crate) taken: AtomicU64,
        pub(crate) released: AtomicU64,
    }

    impl Observe for Holds {
        fn taken(&self, _waited: Option<Duration>) {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
        fn releases(&self, _held: Duration) {
            self.released.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) static HOLDS: Holds =
        Holds { taken: AtomicU64::new(0), released: AtomicU64::new(0) };

    /// A mutex of parking_lot, which is fair on request and has time-outs.
    type Mutex = Traced<RawLock<parking_lot::Mutex<()>, ByThreadLocal>>;
    pub(crate) static BIG: Mutex = Traced::observed(RawLock::new(), &HOLDS);
    static SCREEN: StdMutex = StdMutex::new();

    /// The big lock: it guards the machine.
    pub(crate) enum Big {}
    impl Lock for Big {
        type Backend = Mutex;
        const LOCK: &'static Mutex = &BIG;
    }

    /// The lock of the display. It is taken after the big one, or alone.
    pub(crate) enum Screen {}
    impl Lock for Screen {
        type Backend = StdMutex;
        const LOCK: &'static StdMutex = &SCREEN;
    }

    pub(crate) type Guard<'t> = biglock::Guard<'t, Big>;
    pub(crate) type Access<'g> = biglock::Access<'g, Big>;
    pub(crate) type Guarded<T> = biglock::Guarded<T, Big>;
    pub(crate) type Condvar = biglock::Condvar<Big>;

    /// The tokens of a thread that uses both locks.
    pub(crate) struct Thread {
        big: Unlocked<Big>,
        screen: Unlocked<Screen>,
    }

    impl Thread {
        pub(crate) fn attach() -> Result<Self, AttachError> {
            Ok(Thread { big: Unlocked::attach()?, screen: Unlocked::attach()? })
        }

        /// Takes the big lock if it comes within `limit`, and lends the token of the other.
        pub(crate) fn big(
            &mut self,
            limit: Duration,
        ) -> Option<(Guard<'_>, &mut Unlocked<Screen>)> {
            Some((self.big.lock_timeout(limit)?, &mut self.screen))
        }

        /// Takes the lock of the display alone.
        pub(crate) fn screen(&mut self) -> biglock::Guard<'_, Screen> {
            self.screen.lock()
        }
    }

    /// For code that has no token yet: takes the lock for the length of `f`.
    pub(crate) fn with_lock<R>(f: impl FnOnce(&mut Guard<'_>) -> R) -> Result<R, AttachError> {
        Ok(f(&mut Unlocked::attach()?.lock()))
    }
}

/// The machine and its devices. Nothing here knows where the machine is found.
mod machine {
    use crate::locks::{Access, Guarded};

    /// A device. It reads and writes guarded data, and cannot release the lock.
    pub(crate) trait Device: Send + Sync {
        fn tick(&self, access: &mut Access<'_>, ticks: u64);
        fn shown(&self, access: &Access<'_>) -> String;
    }

    #[derive(Default)]
    pub(crate) struct Machine {
        pub(crate) ticks: Guarded<u64>,
        pub(crate) resting: Guarded<u32>,
        pub(crate) mail: Guarded<Vec<String>>,
    }

    /// Remembers every fiftieth tick.
    #[derive(Default)]
    pub(crate) struct Console {
        lines: Guarded<Vec<String>>,
    }

    impl Device for Console {
        fn tick(&self, access: &mut Access<'_>, ticks: u64) {
            if ticks % 50 == 0 {
                access.borrow_mut(&self.lines).push(format!("tick {ticks}"));
            }
        }
        fn shown(&self, access: &Access<'_>) -> String {
            access.borrow(&self.lines).join(", ")
        }
    }

    impl Machine {
        pub(crate) fn tick(&self, access: &mut Access<'_>, console: Option<&dyn Device>) {
            let ticks = access.borrow_mut(&self.ticks);
            *ticks += 1;
            let ticks = *ticks;
            if let Some(console) = console {
                console.tick(access, ticks);
            }
        }

        /// Rests a processor. The two values are written at once.
        pub(crate) fn rest(&self, access: &mut Access<'_>) -> u64 {
            let (ticks, resting) = access
                .borrow_many_mut((&self.ticks, &self.resting))
                .expect("two fields of one machine");
            *resting += 1;
            *ticks
        }
    }
}

/// What everybody else finds.
mod face {
    use std::sync::LazyLock;

    use exported::Exported;

    use crate::locks::{Big, Condvar, Guard};
    use crate::machine::{Device, Machine};

    pub(crate) static MACHINE: Exported<Machine, Big> = Exported::new();
    pub(crate) static CONSOLE: Exported<dyn Device, Big> = Exported::new();
    /// Notified when a processor rests.
    pub(crate) static RESTS: LazyLock<Condvar> = LazyLock::new(Condvar::new);

    pub(crate) fn tick(guard: &mut Guard<'_>) {
        let (holding, mut access) = guard.split();
        if let Some(machine) = MACHINE.get_while(holding) {
            machine.tick(&mut access, CONSOLE.get_while(holding));
        }
    }

    pub(crate) fn rest(guard: &mut Guard<'_>) {
        let (holding, mut access) = guard.split();
        if let Some(machine) = MACHINE.get_while(holding) {
            machine.rest(&mut access);
        }
        RESTS.notify_one();
    }
}

use std::error::Error;
use std::panic::catch_unwind;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use biglock::{AttachError, Unlocked};
use face::{CONSOLE, MACHINE, RESTS};
use locks::{BIG, Big, Guard, HOLDS, Thread, with_lock};
use machine::{Console, Machine};

fn main() -> Result<(), Box<dyn Error>> {
    let mut thread = Unlocked::<Big>::attach()?;
    let mut guard = thread.lock();
    // Both are retired on every way out of `run`: an error, a panic.
    let (ran, _console) = CONSOLE.scope(&mut guard, Arc::new(Console::default()), |guard| {
        MACHINE.scope(guard, Arc::new(Machine::default()), run)
    })?;
    let (ran, machine) = ran?;
    ran?;
    say!("the machine is {}", MACHINE.get(&guard).map_or("gone", |_| "there"));
    guard.unlock_fair();
    drop(machine); // its destructor runs without the lock

    assert!(BIG.holder().is_none());
    let [taken, released] = [&HOLDS.taken, &HOLDS.released].map(|it| it.load(Ordering::Relaxed));
    say!("every hold was {}", if taken == released { "seen" } else { "not seen" });
    Ok(())
}

/// The life of the machine.
fn run(guard: &mut Guard<'_>) -> Result<(), Box<dyn Error>> {
    let processors = [(); 2].map(|()| thread::spawn(processor));
    RESTS.wait_while(guard, |guard| {
        MACHINE.get(guard).is_some_and(|machine| *machine.resting.borrow(guard) < 2)
    });
    guard.unlocked(|_| processors.into_iter().try_for_each(|it| it.join().expect("no panic")))?;

    let machine = MACHINE.get(guard).ok_or("it is exported")?;
    let (ticks, resting) = (machine.ticks.borrow(guard), machine.resting.borrow(guard));
    say!("{ticks} ticks, {resting} processors rest");
    let (holding, access) = guard.split();
    let console = CONSOLE.get_while(holding).ok_or("it is exported")?;
    say!("the console shows {:?}", console.shown(&access));

    guard.unlocked(|_| thread::spawn(plug_in).join().expect("no panic"))?;
    guard.unlocked(|_| thread::spawn(faulty_plug_in).join().expect("no panic"))?;
    guard.unlocked(|_| thread::spawn(display).join().expect("no panic"))?;
    guard.unlocked(|_| thread::spawn(mail).join().expect("no panic"))?;
    Ok(())
}

/// A processor: it takes the lock for each tick, and lets others have their turn.
fn processor() -> Result<(), AttachError> {
    let mut thread = Unlocked::<Big>::attach()?;
    let mut guard = thread.lock();
    for _ in 0..100 {
        face::tick(&mut guard);
        guard.bump();
    }
    face::rest(&mut guard);
    Ok(())
}

/// A plug-in that was there before the tokens.
fn plug_in() -> Result<(), AttachError> {
    with_lock(face::tick)?;
    let ticks = with_lock(|guard| MACHINE.get(guard).map_or(0, |it| *it.ticks.borrow(guard)))?;
    say!("a plug-in without a token adds one: {ticks}");
    Ok(())
}

/// A plug-in that panics with the lock held. It gets the token, which is as good as new afterwards.
fn faulty_plug_in() -> Result<(), AttachError> {
    let thread = Unlocked::<Big>::attach()?;
    let caught = catch_unwind(move || {
        let mut thread = thread;
        let _guard = thread.lock();
        std::panic::resume_unwind(Box::new("a fault")) // without a word on the terminal
    });
    let caught: Result<(), _> = caught;
    let mut thread = Unlocked::<Big>::attach()?;
    let free = caught.is_err() && thread.try_lock().is_some();
    say!("a plug-in with a fault leaves the lock {}", if free { "free" } else { "held" });
    Ok(())
}

/// The display takes its lock after the big one. If the big lock does not come in time, it says who
/// has it.
fn display() -> Result<(), AttachError> {
    static FRAME: biglock::Guarded<u64, locks::Screen> = biglock::Guarded::new(0);

    let mut thread = Thread::attach()?;
    let Some((guard, screen)) = thread.big(Duration::from_secs(60)) else {
        say!("the display waits for {:?}", BIG.holder());
        return Ok(());
    };
    let ticks = MACHINE.get(&guard).map_or(0, |machine| *machine.ticks.borrow(&guard));
    *FRAME.borrow_mut(&mut screen.lock()) = ticks;
    drop(guard);
    say!("the display shows frame {}", FRAME.borrow(&thread.screen()));
    Ok(())
}

/// A task. It has the lock between two awaits and never over one.
fn mail() -> Result<(), AttachError> {
    async fn receive(letters: mpsc::Receiver<char>) -> Result<(), AttachError> {
        let mut message = String::new();
        while let Some(letter) = next(&letters).await {
            message.push(letter);
        }
        with_lock(|guard| {
            let (holding, mut access) = guard.split();
            if let Some(machine) = MACHINE.get_while(holding) {
                access.borrow_mut(&machine.mail).push(message);
            }
        })
    }

    let (send, letters) = mpsc::channel();
    "hello".chars().for_each(|letter| send.send(letter).expect("the task listens"));
    drop(send);
    block_on(receive(letters))?;
    let long = with_lock(|guard| {
        let mail = MACHINE.get(guard)?.mail.borrow(guard);
        mail.first().map(String::len)
    })?;
    say!("a message of {} letters arrived", long.unwrap_or(0));
    Ok(())
}

/// Returns the next letter, after the executor had its turn.
async fn next(letters: &mpsc::Receiver<char>) -> Option<char> {
    let mut had_its_turn = false;
    std::future::poll_fn(|_| {
        if !std::mem::replace(&mut had_its_turn, true) {
            return Poll::Pending;
        }
        Poll::Ready(letters.try_recv().ok())
    })
    .await
}

/// An executor of one thread and one task.
fn block_on<T>(task: impl Future<Output = T>) -> T {
    let mut task = pin!(task);
    loop {
        if let Poll::Ready(result) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
    }
}

#[test]
fn it_prints_what_its_head_says() -> Result<(), Box<dyn Error>> {
    main()?;
    let head = include_str!("emulator.rs").split("```").nth(1).ok_or("the head shows it")?;
    let head: Vec<_> = head.lines().skip(1).filter_map(|line| line.strip_prefix("//! ")).collect();
    let said = SAID.lock().expect("nobody panics here");
    assert_eq!(*said, head[..head.len() - 1]);
    Ok(())
}
