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
}

/// A recording, and who works on it.
mod inside {
    use std::sync::mpsc::Receiver;

    use biglock::Guarded;

    use crate::lock::{Big, Guard, Unlocked};

    /// Called after each reading. It may ask [`count`](crate::face::count), and release the lock.
    pub(crate) type Listener = Box<dyn Fn(&mut Guard<'_>) + Send + Sync>;

    pub(crate) struct Recording {
        pub(crate) day: &'static str,
        pub(crate) readings: Guarded<Vec<&'static str>, Big>,
        pub(crate) listener: Listener,
    }

    impl Drop for Recording {
        fn drop(&mut self) {
            println!("{} ends with {:?}", self.day, self.readings.get_mut());
        }
    }

    /// The worker's life: it ends with the line, which may be after the recording was closed.
    pub(crate) fn work(
        recording: &Recording,
        thread: &mut Unlocked,
        line: &Receiver<&'static str>,
    ) {
        while let Ok(reading) = line.recv() {
            write(recording, &mut thread.lock(), reading);
        }
    }

    fn write(recording: &Recording, held: &mut Guard<'_>, reading: &'static str) {
        recording.readings.borrow_mut(held).push(reading);
        // E0502: for _ in recording.readings.borrow(held) { (recording.listener)(held); }
        (recording.listener)(held);
    }
}

/// The recording that is open, for everybody else.
mod face {
    use std::sync::Arc;
    use std::sync::mpsc::Receiver;
    use std::thread::{self, JoinHandle};

    use biglock::{AttachError, Guarded};
    use exported::{AlreadyPublished, Exported, Publication};

    use crate::inside::{Listener, Recording, work};
    use crate::lock::{Big, Guard, Unlocked};

    pub(crate) static CURRENT: Exported<Recording, Big> = Exported::new();

    pub(crate) fn count(held: &Guard<'_>) -> usize {
        CURRENT.get(held).map_or(0, |recording| recording.readings.borrow(held).len())
    }

    /// The right to close what was opened.
    pub(crate) type Open = Publication<Recording, Big>;

    /// Fails if one is open.
    pub(crate) fn open(
        held: &mut Guard<'_>,
        day: &'static str,
        listener: Listener,
    ) -> Result<Open, AlreadyPublished<Recording>> {
        let recording = Recording { day, readings: Guarded::default(), listener };
        CURRENT.publish(held, Arc::new(recording))
    }

    /// Does not wait for the worker, whose line may be silent for long.
    pub(crate) fn close(open: Open, held: &mut Guard<'_>) -> Arc<Recording> {
        // E0502: let kept = CURRENT.get(held); let it = open.retire(held); kept.unwrap(); it
        open.retire(held)
    }

    /// Starts the worker, if a recording is open.
    pub(crate) fn start(held: &Guard<'_>, line: Receiver<&'static str>) -> Option<Worker> {
        let recording = CURRENT.share(held)?; // the worker's count, taken before there is one
        Some(thread::spawn(move || {
            let mut thread = Unlocked::attach()?;
            work(&recording, &mut thread, &line);
            Ok(())
        }))
    }

    /// Fails if its thread could not be given a token.
    pub(crate) type Worker = JoinHandle<Result<(), AttachError>>;
}

use std::error::Error;
use std::sync::mpsc::{SyncSender, channel, sync_channel};

use crate::lock::Unlocked;

fn main() -> Result<(), Box<dyn Error>> {
    let mut thread = Unlocked::attach()?;
    let (written, wait) = sync_channel(0);
    let (line, incoming) = channel();

    let mut held = thread.lock();
    let monday = face::open(&mut held, "monday", report(written.clone()))?;
    let worker = face::start(&held, incoming).ok_or("nothing is open")?;
    // E0499: drop(thread.lock());
    drop(held);
    line.send("09:00 of monday")?;
    wait.recv()?;

    let mut held = thread.lock();
    let closed = face::close(monday, &mut held);
    let tuesday = face::open(&mut held, "tuesday", report(written))?;
    drop(held);
    drop(closed); // without the lock; the worker has its own count
    line.send("10:00 of monday")?; // was under way
    wait.recv()?;

    drop(line);
    worker.join().map_err(|_| "the worker panicked")??;
    // E0382: let closed = face::close(monday, &mut thread.lock());
    let closed = face::close(tuesday, &mut thread.lock());
    drop(closed);
    Ok(())
}

/// Asks how many there are, and tells who waits for it.
fn report(written: SyncSender<()>) -> inside::Listener {
    Box::new(move |held| {
        println!("the open recording has {}", face::count(held));
        // E0308: tell(held, &written);
        held.unlocked(|thread| tell(thread, &written));
    })
}

/// Blocks until somebody listens.
fn tell(_: &mut Unlocked, written: &SyncSender<()>) {
    written.send(()).expect("main waits for it");
}
