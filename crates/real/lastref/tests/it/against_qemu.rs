//! What the bench `against_qemu` computes from its measurements. A bench has no tests of its own.

#[path = "../../benches/against_qemu/measurement.rs"]
#[allow(dead_code, reason = "the bench's")]
mod measurement;
#[path = "../../benches/against_qemu/regressions.rs"]
mod regressions;
#[path = "../../benches/against_qemu/results.rs"]
#[allow(dead_code, reason = "the bench's")]
mod results;
#[path = "../../benches/against_qemu/rows.rs"]
#[allow(dead_code, reason = "the bench's")]
mod rows;
#[path = "../../benches/against_qemu/statistics.rs"]
mod statistics;

use std::collections::HashSet;

use measurement::{Cost, Measurement};
use regressions::Slower;
use results::{Host, Results, Round, RowResult};
use rows::{CENTRE, Row};
use statistics::Spread;

#[test]
fn the_median_is_the_middle_one_or_between_the_middle_two() {
    assert_eq!(median([3.0]), 3.0);
    assert_eq!(median([5.0, 1.0, 3.0]), 3.0);
    assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.5);
}

#[test]
fn quartiles_and_extremes_do_not_depend_on_the_order() {
    let expected =
        Spread { min: 1.0, lower_quartile: 2.5, median: 4.0, upper_quartile: 5.5, max: 7.0 };
    assert_eq!(Spread::of([4.0, 7.0, 1.0, 6.0, 2.0, 5.0, 3.0]), Some(expected));
    assert_eq!(Spread::of([7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), Some(expected));
}

#[test]
fn nothing_has_no_spread_and_an_endless_ratio_is_its_own_neighbour() {
    assert_eq!(Spread::of([]), None);
    let endless = Spread::of([f64::INFINITY, f64::INFINITY]).map(|all| all.upper_quartile);
    assert_eq!(endless, Some(f64::INFINITY));
}

#[test]
fn rows_have_names_of_their_own() {
    let names: HashSet<String> = rows::ALL.iter().map(Row::name).collect();
    assert_eq!(names.len(), rows::ALL.len());
    assert!(rows::QUICK.iter().all(|row| names.contains(&row.name())));
}

#[test]
fn the_same_again_is_not_slower() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5), round(2.0, 3.3, 4.0, 0.6)]);
    let now = run([round(2.0, 3.0, 4.0, 0.6), round(2.0, 3.2, 4.0, 0.6)]);
    assert_eq!(regressions::find(&saved, &now), Ok(vec![]));
}

#[test]
fn a_slower_machine_is_no_regression() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5)]);
    let now = run([round(0.5, 0.75, 1.0, 0.5)]);
    assert_eq!(regressions::find(&saved, &now), Ok(vec![]));
}

#[test]
fn a_faster_qemu_alone_is_no_regression() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5)]);
    let now = run([round(2.5, 3.0, 4.0, 0.5)]);
    assert_eq!(regressions::find(&saved, &now), Ok(vec![]));
}

#[test]
fn one_slow_round_of_three_is_no_regression() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5)]);
    let slow = round(2.0, 1.0, 4.0, 0.5);
    let now = run([slow, round(2.0, 3.0, 4.0, 0.5), round(2.0, 3.1, 4.0, 0.5)]);
    assert_eq!(regressions::find(&saved, &now), Ok(vec![]));
}

#[test]
fn a_little_less_than_a_narrow_spread_is_no_regression() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5)]);
    let now = run([round(2.0, 2.9, 4.0, 0.51)]);
    assert_eq!(regressions::find(&saved, &now), Ok(vec![]));
}

#[test]
fn slower_beside_both_is_a_regression() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5), round(2.0, 2.8, 4.0, 0.5)]);
    let now = run([round(2.0, 2.6, 4.0, 0.5)]);
    assert_eq!(figures(&saved, &now), ["rate beside QEMU's", "rate beside the bare socket's"]);
}

#[test]
fn more_cpu_than_was_saved_is_a_regression() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5)]);
    let now = run([round(2.0, 3.0, 4.0, 0.9)]);
    assert_eq!(figures(&saved, &now), ["CPU beside QEMU's"]);
}

#[test]
fn what_was_not_saved_cannot_be_compared() {
    let saved = run([round(2.0, 3.0, 4.0, 0.5)]);
    let other_memory = Results { memory: 1, ..run([round(2.0, 3.0, 4.0, 0.5)]) };
    let no_rows = Results { rows: vec![], ..run([]) };
    assert!(regressions::find(&other_memory, &saved).is_err());
    assert!(regressions::find(&no_rows, &saved).is_err());
    assert!(regressions::find(&run([]), &saved).is_err());
}

#[test]
fn results_come_back_from_their_file_as_they_were() {
    let results = run([round(2.0, 3.0, 4.0, 0.5)]);
    let text = results.to_json().expect("JSON");
    let back: Results = serde_json::from_str(&text).expect("the same");
    assert_eq!(back.to_json().expect("JSON"), text);
}

fn median<const N: usize>(values: [f64; N]) -> f64 {
    Spread::of(values).expect("not nothing").median
}

fn figures(saved: &Results, now: &Results) -> Vec<&'static str> {
    let slower = regressions::find(saved, now).expect("two runs of the same row");
    slower.iter().map(|Slower { figure, .. }| *figure).collect()
}

/// Rates of QEMU to QEMU, ours to ours and the bare socket; our CPU beside QEMU's.
fn round(qemu: f64, ours: f64, socket: f64, cpu: f64) -> Round {
    let measurement = |rate: f64, cpu: f64| {
        let cost = Cost { cpu: cpu / 2.0, memory: 0 };
        let seconds = 1.0 / rate;
        Measurement { seconds, rate, downtime: 0.0, source: cost, destination: cost }
    };
    Round {
        qemu_to_qemu: measurement(qemu, 1.0),
        ours_to_ours: measurement(ours, cpu),
        ours_to_qemu: 1.0,
        qemu_to_ours: 1.0,
        socket,
        socket_to_memory: socket,
    }
}

/// A run of the centre row.
fn run<const N: usize>(rounds: [Round; N]) -> Results {
    let unknown = String::new;
    Results {
        host: Host {
            cpu: unknown(),
            cores: 2,
            kernel: unknown(),
            lastref: unknown(),
            qemu: unknown(),
            rustc: unknown(),
        },
        command: unknown(),
        memory: 2 << 30,
        place: unknown(),
        rows: vec![RowResult { name: CENTRE.name(), row: CENTRE, rounds: rounds.into() }],
        growth: vec![],
        writing: None,
        left_out: vec![],
    }
}
