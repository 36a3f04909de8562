//! The most memory that a process had beyond guest RAM.
//!
//! Guest RAM is a file here, at either tool and either end, so what a process takes beyond it is
//! its anonymous memory: RssAnon of /proc/PID/status. The kernel keeps no highest value of that
//! one, so it is looked at again and again; what lives shorter than that is not seen.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Between two looks. One takes some ten microseconds.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Watches a process until this is dropped or the process ends.
pub(crate) struct PeakMemory {
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl PeakMemory {
    pub(crate) fn watch(pid: u32) -> Self {
        let watch = PeakMemory { peak: Arc::default(), over: Arc::default() };
        let (peak, over) = (Arc::clone(&watch.peak), Arc::clone(&watch.over));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed)
                && let Some(bytes) = anonymous(pid)
            {
                peak.fetch_max(bytes, Ordering::Relaxed);
                thread::sleep(BETWEEN_LOOKS);
            }
        });
        watch
    }

    /// In bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for PeakMemory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// `None` when it has ended.
fn anonymous(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kib(&status, "RssAnon:").map(|kib| kib * 1024)
}

/// Memory that the machine could give to new programs, in bytes.
pub(crate) fn available() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    kib(&info, "MemAvailable:").map(|kib| kib * 1024)
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
