//! Progress of a running migration: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use migration::{Direction, MigrationInfo, MigrationStatus};
use tracing::level_filters::LevelFilter;

use crate::session::Session;
use crate::size::PAGE;

/// Interval between plain lines.
const LINE: Duration = Duration::from_secs(1);

/// Shows the migration until it has ended, and passes each state to `seen`; Ctrl-C cancels it.
pub(crate) fn watch(session: &mut Session, mut seen: impl FnMut(&MigrationInfo)) {
    let mut display = Display::new();
    let mut convergence = Convergence::new(session.downtime_limit);
    loop {
        let status = session.wait(|status, _| status.is_terminal());
        if status.is_terminal() {
            display.clear();
            return;
        }
        let info = session.observer.info();
        seen(&info);
        display.show(session.direction, status, &info);
        if status == MigrationStatus::Active
            && let Some(warning) = convergence.look(&info)
        {
            display.note(&warning);
        }
    }
}

/// A check of whether the passes converge.
struct Convergence {
    limit: Duration,
    /// The last pass that was checked, and the bytes that remained at its start.
    pass: u64,
    remaining: u64,
    /// Number of successive passes that left about as much as the one before.
    stuck: u32,
}

impl Convergence {
    /// Number of successive passes after which a note is printed.
    const STUCK: u32 = 2;

    fn new(limit: Duration) -> Self {
        Convergence { limit, pass: 0, remaining: u64::MAX, stuck: 0 }
    }

    /// Returns a note, once, if the machine writes as fast as its memory is sent.
    fn look(&mut self, info: &MigrationInfo) -> Option<String> {
        if info.dirty_sync_count <= self.pass {
            return None;
        }
        let shrinks = info.remaining < self.remaining / 10 * 9;
        let stuck = !shrinks && info.expected_downtime > self.limit;
        (self.pass, self.remaining) = (info.dirty_sync_count, info.remaining);
        self.stuck = if stuck { self.stuck + 1 } else { 0 };
        (self.stuck == Self::STUCK).then(|| {
            format!(
                "the machine writes as fast as its memory is sent: the rest would take {} ms at \
                 {}/s, and --downtime-limit is {} ms\n{:>12}  raise --downtime-limit or \
                 --max-bandwidth, lower --dirty-rate, or use --channels",
                info.expected_downtime.as_millis(),
                BinaryBytes(info.bandwidth),
                self.limit.as_millis(),
                "tip",
            )
        })
    }
}

/// The display of the progress.
enum Display {
    Bar(ProgressBar),
    Lines { last: Option<(MigrationStatus, Instant)> },
}

impl Display {
    fn new() -> Self {
        // The lines of `-v` would stand in the middle of a bar.
        if !std::io::stderr().is_terminal() || LevelFilter::current() != LevelFilter::OFF {
            return Display::Lines { last: None };
        }
        let bar = ProgressBar::new(0);
        Display::Bar(match ProgressStyle::with_template("{prefix:>12}  {wide_bar} {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    fn show(&mut self, direction: Direction, status: MigrationStatus, info: &MigrationInfo) {
        let details = details(direction, status, info);
        match self {
            Display::Bar(bar) => {
                bar.set_prefix(status.name());
                bar.set_length(info.total);
                bar.set_position(up_to_date(direction, info));
                bar.set_message(details);
            }
            Display::Lines { last } => {
                if last.is_none_or(|(before, at)| before != status || at.elapsed() >= LINE) {
                    say!("{:>12}  {details}", status.name());
                    *last = Some((status, Instant::now()));
                }
            }
        }
    }

    fn note(&mut self, text: &str) {
        let note = format!("{:>12}  {text}", "note");
        match self {
            Display::Bar(bar) => bar.println(note),
            Display::Lines { .. } => say!("{note}"),
        }
    }

    fn clear(&mut self) {
        match self {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Lines { .. } => {}
        }
    }
}

/// Returns the bytes of guest RAM that are up to date at the destination, as far as is known.
fn up_to_date(direction: Direction, info: &MigrationInfo) -> u64 {
    match direction {
        Direction::Outgoing => info.total.saturating_sub(info.remaining),
        Direction::Incoming => info.total.min(info.normal.saturating_add(info.duplicate) * PAGE),
    }
}

/// Returns the number of the current pass. Each pass ends with a sync of the dirty log; before the
/// last pass there is another sync, once the machine has stopped.
fn pass(status: MigrationStatus, info: &MigrationInfo) -> u64 {
    match status {
        MigrationStatus::Device => info.dirty_sync_count,
        _ => info.dirty_sync_count + 1,
    }
}

fn details(direction: Direction, status: MigrationStatus, info: &MigrationInfo) -> String {
    if info.total == 0 {
        return match &info.socket_address {
            Some(uri) => format!("waiting for a migration at {uri}"),
            None => "waiting for the other side".into(),
        };
    }
    let mut text =
        format!("{} of {}", BinaryBytes(up_to_date(direction, info)), BinaryBytes(info.total));
    if direction == Direction::Outgoing {
        text.push_str(&format!(", pass {}", pass(status, info)));
        if info.bandwidth != 0 {
            text.push_str(&format!(", {}/s", BinaryBytes(info.bandwidth)));
        }
    }
    text
}
