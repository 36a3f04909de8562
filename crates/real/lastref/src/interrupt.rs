//! Ctrl-C and its like: a request to stop, that everything which takes long looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use crate::failure::Failure;

/// Whether the process was started with `signal` ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 != 0
}

/// Whether the program was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes the signals over. Called before there is anything that a signal could leave
    /// half-made.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // One that is ignored stays so: `nohup` asks for that, and a shell for its jobs.
            if is_ignored(signal) {
                continue;
            }
            signal_hook::flag::register(signal, Arc::clone(&asked))
                .map_err(Failure::set_up("a signal handler"))?;
        }
        // A file that may not grow is then an error of the write, and not the end of the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default())
            .map_err(Failure::set_up("a signal handler"))?;
        Ok(Interrupt(asked))
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends the program in good order if it was asked to stop.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_asked() { Err(Failure::Interrupted) } else { Ok(()) }
    }
}
