//! The results as a picture: bars for the rates, lines for the time with RAM.
//!
//! The SVG brings its own background and asks for no font, script or file, so that a page of any
//! colour can show it as an image.

use std::fmt::Write as _;

use super::regressions::beside_qemu;
use super::results::{Growth, Results, Round, RowResult};
use super::rows::Contents;
use super::statistics::Spread;
use super::table::figure;

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 24.0;
/// Where bars and axes begin; left of it are names.
const LEFT: f64 = 268.0;
/// Where they end; right of it are numbers.
const RIGHT: f64 = WIDTH - 160.0;
const BAR: f64 = 13.0;
const ROW: f64 = 44.0;
const LINES: f64 = 260.0;

const BACKGROUND: &str = "#fbfaf7";
const INK: &str = "#26292e";
const FAINT: &str = "#d9d6ce";
const QEMU: &str = "#717c8c";
const OURS: &str = "#c2571a";
const SOCKET: &str = "#0b7285";

/// A picture that grows downwards.
struct Picture {
    body: String,
    y: f64,
}

pub(crate) fn svg(results: &Results) -> String {
    let mut picture = Picture { body: String::new(), y: MARGIN + 18.0 };
    picture.text(MARGIN, picture.y, "start", 18.0, INK, "Live migration: ours beside QEMU's");
    let host = &results.host;
    picture.y += 20.0;
    picture.text(
        MARGIN,
        picture.y,
        "start",
        11.0,
        INK,
        &format!("{}, {} cores, Linux {}", host.cpu, host.cores, host.kernel),
    );
    picture.y += 15.0;
    picture.text(
        MARGIN,
        picture.y,
        "start",
        11.0,
        INK,
        &format!("{}; {}", host.lastref, host.qemu),
    );
    picture.legend();

    let travels =
        |row: &&RowResult| !matches!(row.row.contents, Contents::Zero | Contents::Untouched);
    let title = |what: &str| format!("{what}: {} MiB of guest RAM, GB/s", results.memory >> 20);
    let all = || results.rows.iter();
    picture.bars(&title("Pages with data"), &all().filter(travels).collect::<Vec<_>>());
    picture.bars(&title("Pages without"), &all().filter(|row| !travels(row)).collect::<Vec<_>>());
    picture.lines(&results.growth);
    picture.finish()
}

impl Picture {
    fn text(&mut self, x: f64, y: f64, anchor: &str, size: f64, colour: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.draw(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{text}</text>"#
        ));
    }

    fn rectangle(&mut self, [x, y, width, height]: [f64; 4], colour: &str) {
        self.draw(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        ));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.draw(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}"/>"#
        ));
    }

    fn draw(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }

    fn legend(&mut self) {
        self.y += 24.0;
        let (y, mut x) = (self.y, MARGIN);
        for (colour, name) in [(QEMU, "QEMU to QEMU"), (OURS, "ours to ours")] {
            self.rectangle([x, y - 10.0, 14.0, 11.0], colour);
            self.text(x + 20.0, y, "start", 12.0, INK, name);
            x += 130.0;
        }
        self.line((x + 4.0, y - 12.0), (x + 4.0, y + 3.0), 3.0, SOCKET);
        self.text(x + 14.0, y, "start", 12.0, INK, "bare socket");
        x += 110.0;
        self.line((x, y - 4.5), (x + 22.0, y - 4.5), 1.5, INK);
        self.text(x + 28.0, y, "start", 12.0, INK, "half of the rounds; bars are medians");
        self.y += 10.0;
    }

    /// A group of rows with a scale of its own.
    fn bars(&mut self, title: &str, rows: &[&RowResult]) {
        let Some(end) = scale(rows) else { return };
        self.y += 30.0;
        self.text(MARGIN, self.y, "start", 14.0, INK, title);
        let top = self.y + 8.0;
        let bottom = top + 6.0 + rows.len() as f64 * ROW;
        let x = |rate: f64| LEFT + (rate / end).min(1.0) * (RIGHT - LEFT);
        for step in ticks(end) {
            self.line((x(step), top), (x(step), bottom), 1.0, FAINT);
            self.text(x(step), bottom + 14.0, "middle", 11.0, INK, &format!("{step}"));
        }
        self.y = top + 6.0;
        for row in rows {
            let y = self.y;
            self.text(LEFT - 10.0, y + 19.0, "end", 12.0, INK, &row.name);
            self.bar(y + 2.0, QEMU, gigabytes(row, |round| round.qemu_to_qemu.rate), end, "");
            let ratio = row.spread(beside_qemu);
            let ratio = ratio.map_or(String::new(), |all| format!("{}x", figure(all.median)));
            let ours = gigabytes(row, |round| round.ours_to_ours.rate);
            self.bar(y + 4.0 + BAR, OURS, ours, end, &ratio);
            if let Some(socket) = gigabytes(row, |round| round.socket) {
                let x = x(socket.median);
                self.line((x, y), (x, y + 6.0 + 2.0 * BAR), 3.0, SOCKET);
            }
            self.y += ROW;
        }
        self.y = bottom + 20.0;
    }

    /// One bar, its spread and its number. What is beyond the scale is cut, and shows it.
    fn bar(&mut self, y: f64, colour: &str, rate: Option<Spread>, end: f64, note: &str) {
        let Some(rate) = rate else { return };
        let x = |rate: f64| LEFT + (rate / end).min(1.0) * (RIGHT - LEFT);
        self.rectangle([LEFT, y, x(rate.median) - LEFT, BAR], colour);
        let middle = y + BAR / 2.0;
        self.line((x(rate.lower_quartile), middle), (x(rate.upper_quartile), middle), 1.5, INK);
        if rate.median > end {
            for at in [RIGHT - 26.0, RIGHT - 20.0] {
                self.line((at, y + BAR), (at + 6.0, y), 2.5, BACKGROUND);
            }
        }
        self.text(RIGHT + 10.0, y + BAR - 2.5, "start", 12.0, INK, &figure(rate.median));
        self.text(RIGHT + 80.0, y + BAR - 2.5, "start", 12.0, colour, note);
    }

    /// Total time against RAM, both in powers of two.
    fn lines(&mut self, growth: &[Growth]) {
        let median = |seconds: &[f64]| Spread::of(seconds.iter().copied()).map(|all| all.median);
        let points: Vec<_> = growth
            .iter()
            .filter_map(|point| Some((point.memory, median(&point.qemu)?, median(&point.ours)?)))
            .collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let times = || points.iter().flat_map(|point| [point.1, point.2]);
        let low = times().fold(f64::INFINITY, f64::min).log2().floor();
        let high = times().fold(0.0, f64::max).log2().ceil().max(low + 1.0);
        let (small, large) = ((first.0 as f64).log2(), (last.0 as f64).log2());
        let span = (large - small).max(1.0);

        self.y += 30.0;
        self.text(
            MARGIN,
            self.y,
            "start",
            14.0,
            INK,
            "Total time with RAM: random, preallocated, one channel",
        );
        let (top, bottom) = (self.y + 14.0, self.y + 14.0 + LINES);
        let x = |memory: u64| LEFT + ((memory as f64).log2() - small) / span * (RIGHT - LEFT);
        let y = |time: f64| bottom - (time.log2() - low) / (high - low) * LINES;
        for power in low as i32..=high as i32 {
            let time = 2_f64.powi(power);
            self.line((LEFT, y(time)), (RIGHT, y(time)), 1.0, FAINT);
            let milliseconds = time * 1e3;
            let text = if milliseconds < 1000.0 {
                format!("{milliseconds:.0} ms")
            } else {
                format!("{time:.0} s")
            };
            self.text(LEFT - 10.0, y(time) + 4.0, "end", 11.0, INK, &text);
        }
        for (memory, ..) in &points {
            let text = if *memory < 1 << 30 {
                format!("{} MiB", memory >> 20)
            } else {
                format!("{} GiB", memory >> 30)
            };
            self.line((x(*memory), top), (x(*memory), bottom), 1.0, FAINT);
            self.text(x(*memory), bottom + 16.0, "middle", 11.0, INK, &text);
        }
        let qemu = points.iter().map(|point| (point.0, point.1)).collect::<Vec<_>>();
        let ours = points.iter().map(|point| (point.0, point.2)).collect::<Vec<_>>();
        let lines = [(QEMU, "QEMU to QEMU", qemu), (OURS, "ours to ours", ours)];
        for (number, (colour, name, line)) in lines.into_iter().enumerate() {
            for pair in line.windows(2) {
                let [(from, before), (to, after)] = pair else { continue };
                self.line((x(*from), y(*before)), (x(*to), y(*after)), 2.5, colour);
            }
            for (memory, time) in &line {
                let (x, y) = (x(*memory), y(*time));
                self.draw(format_args!(
                    r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#
                ));
            }
            // Names at the ends of two lines that are close would lie on one another.
            self.text(LEFT + 14.0, top + 18.0 + 17.0 * number as f64, "start", 12.0, colour, name);
        }
        self.y = bottom + 20.0;
    }

    fn finish(self) -> String {
        let height = self.y + MARGIN;
        let font = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}" font-family="{font}" role="img" aria-label="Rates and times of live migration, ours and QEMU's">
<rect width="{WIDTH}" height="{height:.0}" rx="8" fill="{BACKGROUND}" stroke="{FAINT}"/>
{}</svg>
"#,
            self.body
        )
    }
}

fn gigabytes(row: &RowResult, of: impl Fn(&Round) -> f64) -> Option<Spread> {
    row.spread(|round| of(round) / 1e9)
}

/// The largest rate that is drawn in full: of ours where it is not many times QEMU's, which
/// would leave nothing to see of the others.
fn scale(rows: &[&RowResult]) -> Option<f64> {
    const MANY: f64 = 3.0;
    let median = |row: &RowResult, of: fn(&Round) -> f64| gigabytes(row, of).map(|all| all.median);
    let others = rows
        .iter()
        .flat_map(|row| {
            [median(row, |round| round.qemu_to_qemu.rate), median(row, |round| round.socket)]
        })
        .flatten()
        .reduce(f64::max)?;
    let ours = rows.iter().filter_map(|row| median(row, |round| round.ours_to_ours.rate));
    let largest = ours.filter(|rate| *rate < MANY * others).fold(others, f64::max);
    Some(largest * 1.05)
}

/// Some round numbers up to `end`.
fn ticks(end: f64) -> Vec<f64> {
    const MOST: f64 = 8.0;
    let step = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
        .into_iter()
        .find(|step| end / step <= MOST)
        .unwrap_or(end);
    (0..).map(|number| f64::from(number) * step).take_while(|tick| *tick <= end).collect()
}
