//! Showing a migration while it runs: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use migration::{MigrationInfo, MigrationStatus};

use crate::session::Session;

/// How often the display is brought up to date.
const REFRESH: Duration = Duration::from_millis(100);

/// How often a plain line is printed.
const LINE: Duration = Duration::from_secs(1);

/// Shows the migration until it is over; Ctrl-C cancels it.
pub(crate) fn watch(session: &mut Session) -> MigrationStatus {
    let mut display = Display::new();
    loop {
        let status =
            session.observer.wait(&mut session.thread, REFRESH, |status, _| status.is_terminal());
        let info = session.observer.info();
        display.show(status, &info);
        if status.is_terminal() {
            return status;
        }
        if session.interrupted.swap(false, Ordering::Relaxed) {
            session.cancel();
        }
    }
}

/// Where the progress is shown.
enum Display {
    Bar(ProgressBar),
    Lines { last: Option<(MigrationStatus, Instant)> },
}

impl Display {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Display::Lines { last: None };
        }
        let style =
            ProgressStyle::with_template("{prefix:>10} {wide_bar} {bytes:>10}/{total_bytes} {msg}");
        let bar = ProgressBar::new(0);
        Display::Bar(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    fn show(&mut self, status: MigrationStatus, info: &MigrationInfo) {
        match self {
            Display::Bar(bar) => {
                bar.set_prefix(status.name());
                bar.set_length(info.total);
                bar.set_position(done(info));
                bar.set_message(details(info));
                if status.is_terminal() {
                    bar.finish_and_clear();
                }
            }
            Display::Lines { last } => {
                let due = last.is_none_or(|(before, at)| before != status || at.elapsed() >= LINE);
                if due {
                    let (done, total) = (BinaryBytes(done(info)), BinaryBytes(info.total));
                    eprintln!("{status}: {done} of {total}, {}", details(info));
                    *last = Some((status, Instant::now()));
                }
            }
        }
    }
}

/// Bytes of guest RAM that are up to date at the destination.
fn done(info: &MigrationInfo) -> u64 {
    info.total.saturating_sub(info.remaining)
}

fn details(info: &MigrationInfo) -> String {
    let mut text = format!("pass {}", info.dirty_sync_count + 1);
    if info.bandwidth != 0 {
        text.push_str(&format!(", {}/s", BinaryBytes(info.bandwidth)));
    }
    text
}
