//! A recorder: readings come in and go into the recording that is open.
//!
//! ```text
//! the open recording has 1
//! monday ends with ["09:00 of monday"]
//! the open recording has 1
//! tuesday ends with ["10:00 of monday"]
//! ```

/// A recording, and who works on it.
mod inside {
    use std::sync::Mutex;
    use std::sync::mpsc::Receiver;

    use crate::face::current;

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
    pub(crate) fn work(line: &Receiver<&'static str>) {
        while let Ok(reading) = line.recv() {
            write(reading);
        }
    }

    fn write(reading: &'static str) {
        if let Some(recording) = current() {
            recording.readings.lock().unwrap().push(reading);
            // Nothing may be locked here: the listener asks.
            (recording.listener)();
        }
    }
}

/// The recording that is open, for everybody else.
mod face {
    use std::sync::mpsc::Receiver;
    use std::sync::{Arc, Mutex};
    use std::thread::{self, JoinHandle};

    use crate::inside::{Listener, Recording, work};

    static CURRENT: Mutex<Option<Arc<Recording>>> = Mutex::new(None);

    pub(crate) fn current() -> Option<Arc<Recording>> {
        CURRENT.lock().unwrap().clone()
    }

    pub(crate) fn count() -> usize {
        current().map_or(0, |recording| recording.readings.lock().unwrap().len())
    }

    pub(crate) fn open(day: &'static str, listener: Listener) {
        let recording = Recording { day, readings: Mutex::default(), listener };
        *CURRENT.lock().unwrap() = Some(Arc::new(recording));
    }

    /// Does not wait for the worker, whose line may be silent for long.
    pub(crate) fn close() {
        *CURRENT.lock().unwrap() = None;
    }

    pub(crate) fn start(line: Receiver<&'static str>) -> JoinHandle<()> {
        thread::spawn(move || work(&line))
    }
}

use std::error::Error;
use std::sync::mpsc::{SyncSender, channel, sync_channel};

fn main() -> Result<(), Box<dyn Error>> {
    let (written, wait) = sync_channel(0);
    let (line, incoming) = channel();

    face::open("monday", report(written.clone()));
    let worker = face::start(incoming);
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
