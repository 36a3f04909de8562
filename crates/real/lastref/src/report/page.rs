//! The page of `demo --report`, which shows the migration that has just run.
//!
//! It is one self-contained file: the pictures are in it as SVG, and there is no script.

use std::fmt::Write;

use super::html::Text;
use super::numbers::span;
use super::run::{Run, Side};
use super::{Fact, events, layout, passes, timeline};
use crate::record::What;
use crate::size::Size;

impl Run<'_> {
    /// Returns the whole page.
    pub(crate) fn page(&self) -> String {
        let status = self.report.status;
        let mut page = String::new();
        let mut add = |text: &str| page.push_str(text);
        add("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        add("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        add("<meta name=\"color-scheme\" content=\"light dark\">\n");
        add(&format!("<title>Lastref: a live migration, {status}</title>\n"));
        add(&format!("<style>\n{}</style>\n</head>\n<body>\n", include_str!("page.css")));
        add(&self.header());
        add("<main>\n");
        add(&self.timeline());
        add(&self.last_counts());
        add(&self.passes());
        add(&self.everything());
        add("</main>\n</body>\n</html>\n");
        page
    }

    fn header(&self) -> String {
        let report = self.report;
        let verified = match report.verified {
            Some(true) => "verified: every page and every write",
            Some(false) => "NOT verified",
            None => "the machine stays at the source",
        };
        let facts = [
            ("total time", Some(format!("{} ms", report.total_time))),
            ("downtime", report.fact(Fact::Downtime)),
            ("throughput", report.fact(Fact::Throughput)),
            ("memory", Some(Size(report.ram.total).to_string())),
            ("dirty rate", Some(format!("{}/s", Size(self.setting.dirty_rate)))),
            ("transport", Some(self.setting.transport.to_owned())),
            (
                "channels",
                Some(self.setting.channels.map_or("1".into(), |more| format!("1 + {more}"))),
            ),
        ];
        let mut text = format!(
            "<header>\n<p class=\"kicker\">Lastref: a live migration between two processes</p>\n\
             <h1><span class=\"result {}\">{}</span> {verified}</h1>\n",
            report.status, report.status
        );
        if let Some(error) = report.fact(Fact::Error) {
            let _ = writeln!(text, "<p class=\"error\">{}</p>", Text(&error));
        }
        text.push_str("<dl class=\"facts\">\n");
        for (name, value) in facts {
            if let Some(value) = value {
                let _ = writeln!(text, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(&value));
            }
        }
        text.push_str("</dl>\n</header>\n");
        text
    }

    fn timeline(&self) -> String {
        let mut text =
            String::from("<section>\n<h2>Who owns the migration object, and when</h2>\n<figure>\n");
        let _ = writeln!(text, "<figcaption>{}</figcaption>", Text(&self.caption()));
        text.push_str(LEGEND);
        text.push_str(&layout::each(|layout| timeline::whole(self, layout)));
        text.push_str("</figure>\n");
        if self.destination.is_none() {
            text.push_str(
                "<p>The destination left no record: its process ended before it could.</p>\n",
            );
        }
        let switchover =
            layout::each(|layout| timeline::switchover(self, layout).unwrap_or_default());
        if !switchover.is_empty() {
            text.push_str(
                "<h3>The switchover, enlarged</h3>\n<figure>\n<figcaption>Time 0 is the moment at which the \
                 machine stopped at the source. In the shaded time it ran nowhere.</figcaption>\n",
            );
            text.push_str(&switchover);
            text.push_str("</figure>\n");
        }
        text.push_str("</section>\n");
        text
    }

    /// Explains the picture of both sides.
    fn caption(&self) -> String {
        let side = |side: Side| {
            let record = self.record(side)?;
            let retired = self.ms(record.first(What::Retired)?.at);
            let dropped = record.first(What::Dropped)?;
            let after = span(self.ms(dropped.at) - retired);
            Some(format!(
                "at the {} {} dropped it {after} after the object was retired",
                side.name(),
                dropped.thread
            ))
        };
        let sides: Vec<String> = Side::BOTH.into_iter().filter_map(side).collect();
        let last = if sides.is_empty() { String::new() } else { format!(": {}", sides.join(", ")) };
        format!(
            "In each process one global shows the object from its publication to its retirement, and code \
             outside can read it only while it holds the lock. The object itself lives until its last \
             count is dropped, on whatever thread{last}."
        )
    }

    fn last_counts(&self) -> String {
        let of_side = |side| {
            layout::each(|layout| timeline::last_count(self, side, layout).unwrap_or_default())
        };
        let pictures = Side::BOTH.map(of_side).concat();
        if pictures.is_empty() {
            return String::new();
        }
        format!(
            "<section>\n<h2>The last count, enlarged</h2>\n<figure>\n<figcaption>Time 0 is the moment at which \
             the object was retired: from then on no reader finds it, and no thread waits for those that \
             still have a count. The dot is the drop of the last count.</figcaption>\n{}</figure>\n</section>\n",
            pictures
        )
    }

    fn passes(&self) -> String {
        if self.source.passes.is_empty() {
            return String::new();
        }
        format!(
            "<section>\n<h2>The passes over memory</h2>\n<figure>\n<figcaption>Each pass sends the pages \
             that were written since the one before; the last is sent while the machine is stopped. Bars of a \
             column have one scale, from 0. A small pass consists mostly of the wait for the destination, so its \
             bandwidth means little.</figcaption>\n{}{}</figure>\n</section>\n",
            layout::each(|layout| passes::bars(self, layout)),
            passes::table(self)
        )
    }

    /// Returns the rows of the program's table, and every event.
    fn everything(&self) -> String {
        let mut text = String::from(
            "<section>\n<h2>The same as numbers</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" \
             aria-label=\"The result\">\n<table id=\"result\">\n<tbody>\n",
        );
        for (fact, value) in self.report.facts() {
            let (name, value) = (fact.label(), Text(&value));
            let _ = writeln!(text, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
        }
        text.push_str("</tbody>\n</table>\n</div>\n<details>\n<summary>Every moment</summary>\n");
        text.push_str(&events::table(self));
        text.push_str(
            "<p>Both processes read one clock (CLOCK_MONOTONIC), so their times can be compared. Time 0 is \
             the beginning of the migration at the source.</p>\n</details>\n</section>\n",
        );
        text
    }
}

const LEGEND: &str = "<ul class=\"legend\">\n\
    <li><i class=\"key export\"></i>the one global shows the object</li>\n\
    <li><i class=\"key count\"></i>has a count</li>\n\
    <li><i class=\"key holds\"></i>holds the lock (BQL)</li>\n\
    <li><i class=\"key waits\"></i>waits for it</li>\n\
    <li><i class=\"key executes\"></i>vCPU executes</li>\n\
    <li><i class=\"key last\"></i>drops the last count</li>\n\
    <li><i class=\"key down\"></i>downtime</li>\n\
    </ul>\n";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use migration::MigrationStatus;

    use super::*;
    use crate::record::{Event, Pass, Record, Sample};
    use crate::report::run::Setting;
    use crate::report::{RamStats, Report};
    use crate::size::PAGE;

    fn report(error: &str) -> Report {
        Report {
            status: MigrationStatus::Failed,
            total_time: 0,
            downtime: 0,
            exact_downtime: Duration::ZERO,
            setup_time: 0,
            ram: RamStats {
                total: 0,
                transferred: 0,
                remaining: 0,
                normal: 0,
                normal_bytes: 0,
                duplicate: 0,
                dirty_sync_count: 0,
                page_size: PAGE,
                mbps: 0.0,
            },
            tip: None,
            error_desc: Some(error.to_owned()),
            machine: None,
            dirty_log: None,
            verified: None,
            object: None,
        }
    }

    fn page(report: &Report, source: &Record) -> String {
        let setting = Setting { dirty_rate: 0, transport: "unix", channels: None };
        Run { report, setting, source, destination: None, samples: &[] }.page()
    }

    fn nothing() -> Record {
        Record {
            process: 1,
            life: Vec::new(),
            holds: Vec::new(),
            statuses: Vec::new(),
            passes: Vec::new(),
            sent: None,
            stopped_at: Duration::ZERO,
            started_at: Duration::ZERO,
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_no_markup() {
        let event = |what, at| Event { at: Duration::from_secs(at), thread: "<i>\"&".into(), what };
        let life = [What::Created, What::Published, What::Retired, What::Dropped];
        let life = life.into_iter().zip(1..).map(|(what, at)| event(what, at)).collect();
        let source = Record { life, ..nothing() };
        let page = page(&report("<script>alert('1')</script>"), &source);
        assert!(!page.contains("<script") && !page.contains("<i>\""), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"), "{page}");
        assert!(page.contains("last count dropped by &lt;i&gt;&quot;&amp;"), "{page}");
    }

    #[test]
    fn a_burst_is_cut_off_and_marked() {
        let at = Duration::from_millis;
        let pass = Pass {
            number: 1,
            began: at(0),
            ended: at(2_010),
            dirty: 0,
            normal: 0,
            duplicate: 0,
            bytes: 35_000_000,
            stopped: false,
        };
        let source = Record { passes: vec![pass], ..nothing() };
        // 1 MB at once, and then 17 MB per second.
        let sample =
            |number: u64| Sample { at: at(10 + number * 40), bytes: 1_000_000 + number * 680_000 };
        let samples: Vec<_> = (0_u64..50).map(sample).collect();
        let setting = Setting { dirty_rate: 0, transport: "unix", channels: None };
        let report = report("cancelled");
        let run =
            Run { report: &report, setting, source: &source, destination: None, samples: &samples };
        let page = run.page();
        assert!(page.contains("▲ bursts up to 100.0 MB/s, cut off"), "{page}");
        assert!(page.contains(">20.0 MB/s</text>"), "{page}");
        assert_eq!(page.matches("class=\"burst\"").count(), 2, "one in each width: {page}");
    }

    #[test]
    fn of_a_run_that_left_nothing_there_is_a_page() {
        let page = page(&report("there was nothing"), &nothing());
        assert!(page.contains("there was nothing") && page.ends_with("</html>\n"), "{page}");
        for word in ["NaN", "inf"] {
            assert!(!page.contains(word), "no {word} in {page}");
        }
    }
}
