//! A table of all recorded events of both objects, to the microsecond.

use std::fmt::Write;

use super::html::Text;
use super::run::{Run, Side};
use crate::record::What;

impl What {
    /// Returns the name on the page.
    fn name(self) -> &'static str {
        match self {
            What::Created => "created",
            What::Published => "published",
            What::Retired => "retired",
            What::Counted => "count taken",
            What::GivenBack => "count given back",
            What::Dropped => "last count dropped",
        }
    }
}

pub(super) fn table(run: &Run<'_>) -> String {
    // Time, side, thread and text of each event.
    let mut events: Vec<(f64, &str, &str, String)> = Vec::new();
    for side in Side::BOTH {
        let Some(record) = run.record(side) else { continue };
        let name = side.name();
        for event in &record.life {
            events.push((run.ms(event.at), name, &event.thread, event.what.name().to_owned()));
        }
        for hold in &record.holds {
            let long = (hold.released.saturating_sub(hold.taken)).as_secs_f64() * 1e6;
            let text = format!("holds the lock for {long:.1} µs");
            events.push((run.ms(hold.taken), name, &hold.thread, text));
        }
        for (status, at) in &record.statuses {
            events.push((run.ms(*at), name, "", format!("status {status}")));
        }
    }
    for (at, side, text) in [
        (run.stopped(), Side::Source, "the machine stops"),
        (run.sent(), Side::Source, "last byte sent"),
        (run.resumed(), Side::Source, "the machine resumes"),
        (run.started(), Side::Destination, "the machine starts"),
    ] {
        events.extend(at.map(|at| (at, side.name(), "", text.to_owned())));
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut rows = String::new();
    for (at, side, thread, what) in events {
        let (thread, what) = (Text(thread), Text(&what));
        let _ = writeln!(
            rows,
            "<tr><td>{at:.3}</td><td>{side}</td><td>{thread}</td><td>{what}</td></tr>"
        );
    }
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Every moment\">\n\
         <table id=\"events\">\n<thead><tr><th scope=\"col\">time (ms)</th><th scope=\"col\">side</th>\
         <th scope=\"col\">thread</th><th scope=\"col\">what</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}
