//! Ctrl-C and similar signals: a request to stop, which every long operation checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use crate::failure::Failure;

/// Returns whether the process was started with `signal` ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 != 0
}

/// A flag that says whether the program was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Installs the signal handlers. Call it before the program makes anything that a signal could
    /// leave half-made.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // An ignored signal stays ignored: `nohup` needs that, and a shell for its jobs.
            if is_ignored(signal) {
                continue;
            }
            signal_hook::flag::register(signal, Arc::clone(&asked))
                .map_err(Failure::set_up("a signal handler"))?;
        }
        // With a handler, a file at its size limit is a write error and does not kill the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default())
            .map_err(Failure::set_up("a signal handler"))?;
        Ok(Interrupt(asked))
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns an error if the program was asked to stop.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_asked() { Err(Failure::Interrupted) } else { Ok(()) }
    }
}
