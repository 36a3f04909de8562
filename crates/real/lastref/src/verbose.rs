//! What `-v` shows: the spans and events of the engine, as lines on standard error.

use std::io;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Returns the options that let another process of `lastref` show as much.
pub(crate) fn options() -> &'static [&'static str] {
    match LevelFilter::current() {
        LevelFilter::OFF => &[],
        LevelFilter::INFO => &["-v"],
        _ => &["-vv"],
    }
}

/// Shows them from here on: with `verbose` 1 statuses and phases, with more each pass as well.
pub(crate) fn show(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => Level::INFO,
        _ => Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_span_events(FmtSpan::CLOSE)
        .with_target(false)
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
}
