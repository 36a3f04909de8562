//! The page of `demo --report`: it says what the result says, and it can be looked at.
//!
//! How it looks is asked of a real Chromium. Without one those tests say so and pass; with
//! `LASTREF_REQUIRE_CHROMIUM=1` they fail instead.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::chromium::{self, Scheme, ask};
use test_support::site::Site;
use test_support::wait;

use crate::support::demo::Demo;
use crate::support::lastref::{assert_failed, assert_reported, json, run, signal};

/// The cells of every row of the table `id`, head and body.
#[track_caller]
fn table(page: &str, id: &str) -> Vec<Vec<String>> {
    let start = page.find(&format!("<table id=\"{id}\">")).expect("the table");
    let end = start + page[start..].find("</table>").expect("its end");
    let rows = page[start..end].split("<tr>").skip(1);
    let text = |cell: &str| cell.split_once('>').map(|(_, text)| text.to_owned());
    rows.map(|row| {
        let cells = row.split("<t").skip(1);
        let cells = cells.filter_map(|cell| text(cell.split("</t").next().unwrap_or_default()));
        cells.collect()
    })
    .collect()
}

fn number(text: &str) -> f64 {
    text.replace(',', "").parse().unwrap_or_else(|error| panic!("a number, not {text:?}: {error}"))
}

/// Every moment of one side: when, on which thread, what.
fn events<'a>(rows: &'a [Vec<String>], side: &str) -> Vec<(f64, &'a str, &'a str)> {
    let of_side = rows.iter().skip(1).filter(|row| row[1] == side);
    of_side.map(|row| (number(&row[0]), row[2].as_str(), row[3].as_str())).collect()
}

/// The most counted references at one time that the moments of one side add up to.
fn most_counted(events: &[(f64, &str, &str)]) -> u64 {
    let mut counts = 0;
    let mut after = |what: &str| {
        counts += match what {
            "created" | "count taken" => 1,
            "count given back" => -1,
            _ => 0,
        };
        counts
    };
    let most = events.iter().map(|event| after(event.2)).max();
    most.and_then(|most: i64| most.try_into().ok()).expect("some")
}

/// The most counted references at one time that a picture of both sides shows of one.
#[track_caller]
fn drawn_counted(page: &str, picture: &str, side: &str) -> u64 {
    let (_, rest) = page.split_once(&format!(" id=\"{picture}\"")).expect("the picture");
    let (picture, _) = rest.split_once("</svg>").expect("its end");
    let (_, rest) = picture.split_once(&format!(">{side}</text>")).expect("the side");
    let (_, rest) = rest.split_once("class=\"number most\"").expect("the number");
    let text = rest.split(['<', '>']).nth(1).expect("its text");
    text.parse().expect("a number")
}

#[track_caller]
fn assert_says_what_the_result_says(page: &str, report: &Value, stderr: &str) {
    // The table that people get, row by row.
    for row in table(page, "result") {
        let [name, value] = &row[..] else { panic!("a name and a value, not {row:?}") };
        let said = stderr.lines().any(|line| {
            line.trim_start().strip_prefix(name.as_str()).is_some_and(|rest| rest.trim() == value)
        });
        assert!(said, "{name:?} {value:?} expected in {stderr}");
    }
    let result = table(page, "result");
    let row = |name: &str| {
        let row = result.iter().find(|row| row[0] == name);
        row.unwrap_or_else(|| panic!("{name:?} in {result:?}"))[1].as_str()
    };
    assert_eq!(row("status"), report["status"]);
    let downtime = row("downtime");
    assert!(page.contains(&format!("<dd>{downtime}</dd>")), "{downtime} at the head of {page}");
    let tenths = number(downtime.trim_end_matches(" ms"));
    let whole = report["downtime"].as_f64().expect("a downtime");
    assert!((whole - 0.05..=whole + 1.05).contains(&tenths), "{whole} and {downtime}");

    let passes = table(page, "passes-table").split_off(1);
    assert_eq!(Some(passes.len() as u64), report["ram"]["dirty-sync-count"].as_u64(), "{passes:?}");
    let sum = |column: usize| passes.iter().map(|pass| number(&pass[column])).sum::<f64>();
    assert_eq!(Some(sum(2)), report["ram"]["normal"].as_f64());
    assert_eq!(Some(sum(3)), report["ram"]["duplicate"].as_f64());
    assert!(Some(sum(4)) < report["ram"]["transferred"].as_f64(), "{passes:?}");

    let rows = table(page, "events");
    for side in ["source", "destination"] {
        let events = events(&rows, side);
        assert!(events.is_sorted_by_key(|event| event.0), "{events:?}");
        let at = |name: &str| {
            let found: Vec<_> = events.iter().filter(|event| event.2 == name).collect();
            assert_eq!(found.len(), 1, "one {name:?} at the {side}: {events:?}");
            *found[0]
        };
        let life = &report["object"][side];
        let (created, published) = (at("created"), at("published"));
        let (retired, dropped) = (at("retired"), at("last count dropped"));
        for (event, time) in [(published, "published"), (retired, "retired"), (dropped, "dropped")]
        {
            let told = life[time].as_f64().expect("a time");
            assert!((event.0 - created.0 - told).abs() < 0.01, "{time} of the {side}: {events:?}");
        }
        assert!(published.0 <= retired.0 && retired.0 <= dropped.0, "{side}: {events:?}");
        assert_eq!(dropped.1, life["last-dropped-by"], "the {side}'s last");
        let taken = events.iter().filter(|event| event.2 == "count taken").count();
        let back = events.iter().filter(|event| event.2 == "count given back").count();
        let most = life["counted-references"].as_u64().expect("a number");
        assert_eq!(most_counted(&events), most, "{side}: {events:?}");
        for picture in ["whole-wide", "whole-narrow"] {
            assert_eq!(drawn_counted(page, picture, side), most, "{picture}, {side}");
        }
        assert_eq!(back, taken + 1, "the owner's too, at the {side}: {events:?}");

        // The object is published and retired by who holds the lock.
        for event in [published, retired] {
            let held = events.iter().any(|(at, thread, what)| {
                let long = what
                    .strip_prefix("holds the lock for ")
                    .map(|long| long.trim_end_matches(" µs"));
                *thread == event.1
                    && long.is_some_and(|long| {
                        (*at..=at + number(long) / 1e3 + 0.001).contains(&event.0)
                    })
            });
            assert!(held, "{event:?} with the lock: {events:?}");
        }
        assert_eq!(events.iter().filter(|event| event.2 == "status completed").count(), 1);
    }
    // On one clock: the machine never runs at both ends.
    let moment = |side: &str, name: &str| {
        let events = events(&rows, side);
        events
            .iter()
            .find(|event| event.2 == name)
            .unwrap_or_else(|| panic!("{name}: {events:?}"))
            .0
    };
    let stopped = moment("source", "the machine stops");
    let started = moment("destination", "the machine starts");
    assert!(stopped <= moment("source", "last byte sent") && stopped < started, "{rows:?}");
    assert!((started - stopped - tenths).abs() < 0.06, "{stopped} {started} {downtime}");
}

/// Nothing that a browser would have to get from elsewhere or to run.
#[track_caller]
fn assert_stands_alone(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for word in ["<script", "<link", "<img", "src=", "href=", "url(", "@import", "http"] {
        assert!(!page.contains(word), "no {word:?} expected in {page}");
    }
}

#[test]
fn the_page_says_what_the_result_says() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("report.html");
    let path = file.to_str().expect("UTF-8");
    let cases: [&[&str]; 3] = [
        &[],
        &["--channels", "2", "--transport", "tcp"],
        &["--dirty-log", "software", "--dirty-rate", "0"],
    ];
    for arguments in cases {
        // The page of the case before is replaced.
        let arguments = [&["--json", "--report", path], arguments].concat();
        let finished = Demo::start(&arguments).finish();
        finished.assert_exit(0);
        let page = fs::read_to_string(&file).expect("a page");
        assert_stands_alone(&page);
        assert_says_what_the_result_says(&page, &json(&finished), &finished.stderr);
        assert!(page.contains("the vCPU executes"), "{page}");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "the page alone");
    }
}

#[test]
fn a_migration_that_did_not_work_is_shown() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("report.html");
    let path = file.to_str().expect("UTF-8");

    let demo = Demo::start_and_wait(&["--report", path]);
    signal(&demo.program, Signal::INT);
    let finished = demo.finish();
    assert_reported(&finished, "cancelled");
    let page = fs::read_to_string(&file).expect("a page");
    assert_stands_alone(&page);
    let rows = table(&page, "events");
    for (side, end) in [("source", "status cancelled"), ("destination", "status failed")] {
        let events = events(&rows, side);
        for name in [end, "published", "retired", "last count dropped"] {
            assert!(events.iter().any(|event| event.2 == name), "{name} at the {side}: {events:?}");
        }
    }
    let passes = table(&page, "passes-table");
    assert!(passes[passes.len() - 1][0].ends_with("broken off"), "{passes:?}");

    let demo = Demo::start_and_wait(&["--report", path]);
    let destination = Pid::from_raw(demo.destination().cast_signed()).expect("a process");
    kill_process(destination, Signal::KILL).expect("a process that runs");
    let finished = demo.finish();
    assert_reported(&finished, "failed");
    let page = fs::read_to_string(&file).expect("a page");
    assert_stands_alone(&page);
    assert!(page.contains("signal: 9"), "why, in {page}");
    assert!(page.contains("The destination left no record"), "{page}");
    let rows = table(&page, "events");
    assert!(events(&rows, "destination").is_empty(), "{rows:?}");
    assert!(events(&rows, "source").iter().any(|event| event.2 == "status failed"), "{rows:?}");
}

#[test]
fn a_page_that_cannot_be_written_is_told_before_anything_is_begun() {
    let site = Site::new(0);
    let at = |name: &str| site.scratch().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(at("file"), "").expect("a file");
    fs::create_dir(at("folder")).expect("a folder");
    for (path, cause) in [
        (at("missing/report.html"), "No such file or directory"),
        (at("file/report.html"), "Not a directory"),
        (at("folder"), "directory"),
    ] {
        let finished = run(["demo", "--json", "--report", path.as_str()], site.scratch());
        assert_failed(&finished, &["cannot use the report file", path.as_str(), cause]);
        assert_reported(&finished, "failed");
        assert!(!finished.stderr.contains("filling"), "nothing is begun in {finished}");
    }
    assert_eq!(fs::read_dir(at("folder")).expect("the folder").count(), 0);
    let finished = run(["demo", "--report"], site.scratch());
    finished.assert_exit(2);
}

#[test]
fn the_exit_status_is_the_machines_when_its_page_cannot_be_written() {
    let site = Site::new(0);
    let arguments = ["demo", "--json", "--memory", "1M", "--report", "/dev/full"];
    let finished = run(arguments, site.scratch());
    finished.assert_exit(0);
    assert_eq!(crate::support::lastref::json(&finished)["verified"], true, "{finished}");
    assert!(finished.stderr.contains("cannot use the report file /dev/full"), "{finished}");
}

#[test]
fn a_demo_that_ends_before_its_migration_leaves_no_page() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("report.html");
    let path = path.to_str().expect("UTF-8");
    let mut demo = Demo::start(&["--memory", "1G", "--report", path]);
    wait::until(
        &mut demo.program,
        |program| program.stderr().contains("filling").then_some(()),
        |program| program.report(),
    );
    signal(&demo.program, Signal::INT);
    demo.finish().assert_exit(1);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("the folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Which pictures are shown and how large, what is wider than its place, which texts lie on others,
/// on the downtime, or outside of their picture, and which are hard to read.
const LOOK: &str = r#"
    const box = (of) => of.getBoundingClientRect();
    const name = (text) => `${text.closest("svg").id}: ${text.textContent}`;
    // Light comes from a colour as the guidelines for accessible pages have it (WCAG 2).
    const light = (colour) => {
        const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const contrast = (one, other) => {
        const [a, b] = [light(one), light(other)];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    const style = (of) => window.getComputedStyle(of);
    const paper = style(document.body).backgroundColor;
    for (const closed of document.querySelectorAll("details")) closed.open = true;
    const pictures = [...document.querySelectorAll("svg")].filter((picture) => box(picture).width > 0);
    const [overlaps, onDowntime, cut, faint] = [[], [], [], []];
    const common = (a, b) => [
        Math.min(a.right, b.right) - Math.max(a.left, b.left),
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top),
    ];
    let letters = Infinity;
    for (const picture of pictures) {
        const texts = [...picture.querySelectorAll("text")];
        texts.forEach((text, index) => {
            const a = box(text);
            for (const other of texts.slice(0, index)) {
                const [wide, high] = common(a, box(other));
                // Letters do not fill the height of their line.
                if (wide > 1 && high > 4) overlaps.push(`${name(text)} / ${other.textContent}`);
            }
            // A text in a bar comes after it.
            const inBar = text.classList[0].startsWith("in-");
            for (const down of inBar ? [] : picture.querySelectorAll("rect.down")) {
                const [wide, high] = common(a, box(down));
                if (wide > 1 && high > 4) onDowntime.push(name(text));
            }
            const whole = box(picture);
            if (a.left < whole.left - 1 || a.right > whole.right + 1) cut.push(name(text));
            const scale = whole.width / picture.viewBox.baseVal.width;
            letters = Math.min(letters, parseFloat(style(text).fontSize) * scale);
            const under = inBar ? style(text.previousElementSibling).fill : paper;
            if (contrast(style(text).fill, under) < 4.5) faint.push(name(text));
        });
    }
    for (const text of document.querySelectorAll("h1, .result, dt, dd, figcaption, th, td, .legend li, .error")) {
        const panel = text.closest(".facts");
        if (contrast(style(text).color, panel ? style(panel).backgroundColor : paper) < 4.5) faint.push(text.textContent);
    }
    return {
        paper,
        pictures: pictures.map((picture) => [picture.id, box(picture).width, box(picture).height]),
        letters,
        scrolls: [...document.querySelectorAll(".scroll")].filter((of) => of.scrollWidth > of.clientWidth)
            .map((of) => of.getAttribute("aria-label")),
        onDowntime,
        cut,
        page: [document.documentElement.scrollWidth, document.documentElement.clientWidth],
        overlaps,
        faint,
    };
"#;

#[track_caller]
fn assert_can_be_looked_at(binary: &Path, scratch: &Path, page: &Path, pictures: &[&str]) {
    let mut papers = Vec::new();
    for (width, class, scheme) in [
        (1280, "wide", Scheme::Light),
        (1280, "wide", Scheme::Dark),
        (1024, "wide", Scheme::Light),
        (768, "narrow", Scheme::Light),
        (390, "narrow", Scheme::Light),
        (360, "narrow", Scheme::Light),
    ] {
        let seen = ask(binary, scratch, page, width, scheme, LOOK);
        assert_eq!(seen.console, [""; 0], "no error on the console");
        let answer = &seen.answer;
        let shown = answer["pictures"].as_array().expect("pictures");
        let names: Vec<_> =
            shown.iter().map(|picture| picture[0].as_str().expect("an id")).collect();
        let expected: Vec<_> = pictures.iter().map(|name| format!("{name}-{class}")).collect();
        assert_eq!(names, expected, "{answer} at {width}");
        for picture in shown {
            let least = f64::from(width.min(500) - 50);
            assert!(picture[1].as_f64() >= Some(least), "{picture} is wide, at {width}");
            assert!(picture[2].as_f64() >= Some(30.0), "{picture} is high, at {width}");
        }
        // A wide picture on the least page that has it is a little smaller than it is drawn.
        let least = if class == "narrow" { 11.0 } else { 9.9 };
        assert!(answer["letters"].as_f64() >= Some(least), "{answer} at {width}");
        assert_eq!(answer["page"][0], answer["page"][1], "nothing is wider than the page");
        for wrong in ["overlaps", "scrolls", "onDowntime", "cut"] {
            assert_eq!(answer[wrong], json!([]), "{wrong} at {width}");
        }
        assert_eq!(answer["faint"], json!([]), "{scheme:?}");
        papers.push(answer["paper"].clone());
    }
    assert_ne!(papers[0], papers[1], "dark is not light");
}

#[test]
fn the_page_can_be_looked_at() {
    let Some(binary) = chromium::find() else { return };
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("report.html");
    let path = file.to_str().expect("UTF-8");

    let end = ["whole", "switchover", "last-count-source", "last-count-destination", "passes"];
    for arguments in [&["--report", path][..], &["--report", path, "--channels", "4"]] {
        Demo::start(arguments).finish().assert_exit(0);
        assert_can_be_looked_at(&binary, folder.path(), &file, &end);
    }

    let demo = Demo::start_and_wait(&["--report", path]);
    signal(&demo.program, Signal::INT);
    demo.finish().assert_exit(1);
    let end = ["whole", "last-count-source", "last-count-destination", "passes"];
    assert_can_be_looked_at(&binary, folder.path(), &file, &end);
}

#[test]
fn what_is_wrong_with_a_page_is_seen() {
    let Some(binary) = chromium::find() else { return };
    let folder = TempDir::new().expect("a folder");
    let page = folder.path().join("wrong.html");
    let text = "<!DOCTYPE html><body style=\"margin: 0; background: #fff; color: #eee\">\
        <div style=\"width: 500px; height: 9px\"></div><h1>faint</h1>\
        <svg id=\"wrong\" width=\"200\" height=\"40\"><text class=\"number\" x=\"10\" y=\"20\">one</text>\
        <text class=\"number\" x=\"20\" y=\"22\">another</text></svg>\
        <svg id=\"down\" viewBox=\"0 0 200 40\" width=\"100\" height=\"20\" style=\"font-size: 12px\">\
        <rect class=\"down\" x=\"90\" y=\"0\" width=\"20\" height=\"40\"></rect>\
        <text class=\"number\" x=\"80\" y=\"20\">covered</text>\
        <text class=\"number\" x=\"190\" y=\"20\">out</text></svg>\
        <div class=\"scroll\" aria-label=\"wide\" style=\"width: 100px; overflow-x: auto\">\
        <div style=\"width: 200px\">wide</div></div><script>nothing.there()</script>";
    fs::write(&page, text).expect("a page");
    let seen = ask(&binary, folder.path(), &page, 390, Scheme::Light, LOOK);
    assert!(seen.console.iter().any(|line| line.contains("nothing is not defined")), "{seen:?}");
    assert_eq!(seen.answer["page"], json!([500, 390]));
    assert_eq!(seen.answer["overlaps"], json!(["wrong: another / one"]));
    assert_eq!(seen.answer["onDowntime"], json!(["down: covered"]));
    assert_eq!(seen.answer["cut"], json!(["down: out"]));
    assert_eq!(seen.answer["scrolls"], json!(["wide"]));
    assert_eq!(seen.answer["letters"], json!(6));
    assert_eq!(seen.answer["faint"], json!(["faint"]));
}
