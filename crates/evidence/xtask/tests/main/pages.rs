//! What is said twice, because it is read in two places, is the same in both. These tests stand
//! here because a package has its crate alone, without the pages.

use engine::Direction;
use engine::transitions::{Here, Transition, transitions};

#[test]
fn the_page_of_statuses_has_the_table_that_the_engine_keeps_to() {
    let page = include_str!("../../../../../docs/statuses.md");
    for direction in [Direction::Outgoing, Direction::Incoming] {
        let rows: String = transitions(direction).iter().map(line).collect();
        assert!(
            page.contains(&rows),
            "docs/statuses.md must have, for {direction:?}, these lines:\n{rows}"
        );
    }
}

fn line(row: &Transition) -> String {
    let Transition { from, to, when, here } = row;
    let here = match here {
        Here::Same => "yes".into(),
        Here::Ours(why) => format!("yes, and QEMU not: {why}"),
        Here::Not(why) => format!("no: {why}"),
    };
    format!("| {from} | {to} | {when} | {here} |\n")
}

/// The cells of a table's rows, by the first: those of lines that begin with a bar.
fn table(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(|line| line.split(" | ").collect()).collect()
}

#[test]
fn the_readme_shows_the_published_figures() {
    let readme = include_str!("../../../../../README.md");
    let published = table(include_str!("../../../../../docs/bench/table.md"));
    let columns = ["RAM, stream", "QEMU to QEMU", "ours to ours", "ours / QEMU"];
    let published: Vec<Vec<&str>> = {
        let head = published.iter().find(|cells| cells[0] == columns[0]).expect("the table");
        let places = columns
            .map(|name| head.iter().position(|cell| *cell == name).expect("a column of the table"));
        let rows = published.iter().filter(|cells| cells.len() == head.len());
        rows.map(|cells| places.map(|place| cells[place]).to_vec()).collect()
    };
    let shown: Vec<Vec<&str>> =
        table(readme).into_iter().skip_while(|cells| cells[0] != columns[0]).collect();
    let shown: Vec<_> =
        shown.into_iter().take_while(|cells| cells.len() == columns.len()).collect();
    assert_eq!(shown.len(), published.len(), "rows of the README");
    for row in shown {
        assert!(published.contains(&row), "{row:?} is not in docs/bench/table.md");
    }
}

#[test]
fn one_evenings_reading_is_as_long_as_it_says() {
    const MOST: usize = 2500;
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs");
    let mut sum = 0;
    for cells in table(include_str!("../../../../../docs/ARCHITECTURE.md")) {
        let [file, lines, _] = cells[..] else { continue };
        let Ok(lines) = lines.parse::<usize>() else { continue };
        let link = file.split_once("](").and_then(|(_, link)| link.strip_suffix(')'));
        let path = format!("{docs}/{}", link.expect("a link to the file"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(lines, text.lines().count(), "lines of {path}");
        sum += lines;
    }
    assert!((1000..=MOST).contains(&sum), "{sum} lines for one evening");
}
