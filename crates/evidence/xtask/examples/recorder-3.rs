//! A recorder: readings come in and go into the recording that is open.
//!
//! ```text
//! the open recording has 1
//! the open recording has 0
//! monday ends with ["09:00 of monday", "10:00 of monday"]
//! tuesday ends with []
//! ```

/// The one lock.
mod lock {
    use biglock::{Lock, StdMutex};

    static MUTEX: StdMutex = StdMutex::new();

    pub(crate) enum Big {}

    impl Lock for Big {
        type Backend = StdMutex;
        const LOCK: &'static StdMutex = &MUTEX;
    }

    pub(crate) type Guard<'t> = biglock::Guard<'t, Big>;
    pub(crate) type Unlocked = biglock::Unlocked<Big>;

    /// Runs `f` with the lock held.
    ///
    /// # Panics
    ///
    /// Inside another call, which has the guard to pass down.
    pub(crate) fn with_lock<R>(f: impl FnOnce(&mut Guard<'_>) -> R) -> R {
        let mut thread = Unlocked::attach().expect("not inside another `with_lock`");
        f(&mut thread.lock())
    }
}

/// A recording, and who works on it.
mod inside {
    use std::sync::Mutex;
    use std::sync::mpsc::Receiver;

    /// Called after each reading. It may ask [`count`](crate::face::count).
    pub(crate) type Listener = Box<dyn Fn() + Send + Sync>;

    pub(crate) struct Recording {
        pub(crate) day: &'static str,
        pub(crate) readings: Mutex<Vec<&'static str>>,
        pub(crate) listener: Listener,
    }

    impl Drop for Recording {
        fn drop(&mut self) {
            println!("{} ends with {:?}", self.day, self.readings.get_mut().unwrap());
        }
    }

    /// The worker's life: it ends with the line, which may be after the recording was closed.
    pub(crate) fn work(recording: &Recording, line: &Receiver<&'static str>) {
        while let Ok(reading) = line.recv() {
            write(recording, reading);
        }
    }

    fn write(recording: &Recording, reading: &'static str) {
        recording.readings.lock().unwrap().push(reading);
        // E0521: std::thread::spawn(|| recording.readings.lock().unwrap().sort());
        // Nothing may be locked here: the listener asks.
        (recording.listener)();
    }
}

/// The recording that is open, for everybody else.
mod face {
    use std::sync::mpsc::Receiver;
    use std::sync::{Arc, Mutex};
    use std::thread::{self, JoinHandle};

    use biglock::Guarded;

    use crate::inside::{Listener, Recording, work};
    use crate::lock::{Big, with_lock};

    static CURRENT: Guarded<Option<Arc<Recording>>, Big> = Guarded::new(None);

    pub(crate) fn current() -> Option<Arc<Recording>> {
        with_lock(|held| CURRENT.borrow(held).clone())
    }

    pub(crate) fn count() -> usize {
        current().map_or(0, |recording| recording.readings.lock().unwrap().len())
    }

    pub(crate) fn open(day: &'static str, listener: Listener) {
        let recording = Recording { day, readings: Mutex::default(), listener };
        with_lock(|held| *CURRENT.borrow_mut(held) = Some(Arc::new(recording)));
    }

    /// Does not wait for the worker, whose line may be silent for long.
    pub(crate) fn close() {
        // E0499: with_lock(|held| drop((CURRENT.borrow_mut(held), CURRENT.borrow_mut(held))));
        with_lock(|held| *CURRENT.borrow_mut(held) = None);
    }

    /// Starts the worker, if a recording is open.
    pub(crate) fn start(line: Receiver<&'static str>) -> Option<JoinHandle<()>> {
        let recording = current()?; // the worker's count, taken before there is a worker
        Some(thread::spawn(move || work(&recording, &line)))
    }
}

use std::error::Error;
use std::sync::mpsc::{SyncSender, channel, sync_channel};

fn main() -> Result<(), Box<dyn Error>> {
    let (written, wait) = sync_channel(0);
    let (line, incoming) = channel();

    face::open("monday", report(written.clone()));
    let worker = face::start(incoming).ok_or("nothing is open")?;
    line.send("09:00 of monday")?;
    wait.recv()?;

    face::close();
    face::open("tuesday", report(written));
    line.send("10:00 of monday")?; // was under way
    wait.recv()?;

    drop(line);
    worker.join().map_err(|_| "the worker panicked")?;
    face::close();
    Ok(())
}

/// Asks how many there are, and tells who waits for it.
fn report(written: SyncSender<()>) -> inside::Listener {
    Box::new(move || {
        println!("the open recording has {}", face::count());
        tell(&written);
    })
}

/// Blocks until somebody listens.
fn tell(written: &SyncSender<()>) {
    written.send(()).expect("main waits for it");
}
