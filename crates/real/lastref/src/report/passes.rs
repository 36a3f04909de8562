//! The passes over memory, with their dirty and sent pages: bars, and the exact numbers below.

use std::fmt::Write;

use super::layout::Layout;
use super::numbers::{count, rate, span};
use super::picture::{Anchor, Picture};
use super::run::Run;
use crate::record::Pass;
use crate::size::Size;

const ROW: f64 = 24.0;
const BAR: f64 = 13.0;
/// Width of the names of the passes.
const LEFT: f64 = 70.0;
/// Width of the number next to a bar.
const NUMBER: f64 = 92.0;

/// Number of passes that have bars, at the beginning and again at the end, if there are many.
const FIRST: usize = 12;

/// A column of bars: its name, the value of a pass, and the value as text.
type Column = (&'static str, fn(&Pass) -> f64, fn(&Pass) -> String);

const COLUMNS: [Column; 4] = [
    ("pages dirty at its start", |pass| pass.dirty as f64, |pass| count(pass.dirty)),
    ("sent", |pass| pass.bytes as f64, |pass| Size(pass.bytes).to_string()),
    ("time", milliseconds, |pass| span(milliseconds(pass))),
    ("bandwidth", bandwidth, |pass| rate(bandwidth(pass))),
];

fn milliseconds(pass: &Pass) -> f64 {
    pass.ended.saturating_sub(pass.began).as_secs_f64() * 1e3
}

fn bandwidth(pass: &Pass) -> f64 {
    pass.bytes as f64 / milliseconds(pass).max(1e-6) * 1e3
}

/// Names a pass by its number, or "the rest" if the machine was stopped.
fn name(pass: &Pass) -> String {
    if pass.stopped { "the rest".into() } else { format!("pass {}", pass.number) }
}

pub(super) fn bars(run: &Run<'_>, layout: Layout) -> String {
    let mut picture = Picture::new(layout);
    for columns in COLUMNS.chunks(layout.columns) {
        picture.y += if picture.y == 0.0 { 16.0 } else { 26.0 };
        side_by_side(&mut picture, &run.source.passes, columns);
    }
    picture.finish("passes", "The passes over memory", &run.sentence())
}

fn side_by_side(picture: &mut Picture, passes: &[Pass], columns: &[Column]) {
    let width = (picture.layout.width - LEFT) / columns.len() as f64;
    let column = |at: usize| LEFT + at as f64 * width;
    for (at, (title, ..)) in columns.iter().enumerate() {
        picture.text("head", [column(at), picture.y], Anchor::Start, title);
    }
    picture.y += 10.0;
    let top = picture.y;
    let left_out = passes.len().saturating_sub(2 * FIRST);
    for (at, pass) in passes.iter().enumerate() {
        if left_out != 0 && (FIRST..FIRST + left_out).contains(&at) {
            if at == FIRST {
                let text = format!("{left_out} more passes are in the table");
                picture.text("number", [LEFT, picture.y + 16.0], Anchor::Start, &text);
                picture.y += ROW;
            }
            continue;
        }
        picture.text("name", [LEFT - 10.0, picture.y + 16.0], Anchor::End, &name(pass));
        for (at, (_, value, text)) in columns.iter().enumerate() {
            let most = passes.iter().map(value).fold(0.0, f64::max);
            let long = if most > 0.0 { value(pass) / most * (width - NUMBER) } else { 0.0 };
            let class = if pass.stopped { "pass rest" } else { "pass odd" };
            let (x, y) = (column(at), picture.y + (ROW - BAR) / 2.0);
            picture.rectangle(class, [x, y, long.max(1.0), BAR], &text(pass));
            picture.text("number", [x + long + 6.0, picture.y + 16.0], Anchor::Start, &text(pass));
        }
        picture.y += ROW;
    }
    for at in 0..columns.len() {
        picture.line_under("edge", column(at), top);
    }
}

/// The heads of the table. In a narrow table each cell shows its own.
const HEADS: [&str; 7] = [
    "pass",
    "pages dirty at its start",
    "sent with data",
    "sent as zero pages",
    "bytes of the stream",
    "time (ms)",
    "bandwidth",
];

pub(super) fn table(run: &Run<'_>) -> String {
    let mut rows = String::new();
    for pass in &run.source.passes {
        let cells = [
            count(pass.dirty),
            count(pass.normal),
            count(pass.duplicate),
            count(pass.bytes),
            format!("{:.3}", milliseconds(pass)),
            rate(bandwidth(pass)),
        ];
        let whole = pass.normal + pass.duplicate == pass.dirty;
        let name = name(pass) + if whole { "" } else { ", broken off" };
        let _ = write!(rows, "<tr><th scope=\"row\">{name}</th>");
        for (head, cell) in HEADS[1..].iter().zip(cells) {
            let _ = write!(rows, "<td data-head=\"{head}\">{cell}</td>");
        }
        rows.push_str("</tr>\n");
    }
    let heads: String = HEADS.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"The passes as numbers\">\n\
         <table id=\"passes-table\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}
